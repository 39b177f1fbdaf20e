"""How long to wait before a process that ended is started again; pure.

A process that crashes in a loop is retried ever more slowly; one that somebody stopped or killed, or that
served for a while, comes back at once. Without the difference a service rolled ten times would be away for
ten seconds.
"""

import signal

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
SETTLED_S = 30.0

_BY_HAND = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL, -signal.SIGHUP})


class Backoff:
    """The delays of one process."""

    def __init__(self) -> None:
        self._next_s = FIRST_DELAY_S

    def delay_s(self, *, exit_code: int, ready_for_s: float | None) -> float:
        """Return the seconds to wait now.

        Args:
            exit_code: Of the process; negative = the signal that ended it.
            ready_for_s: How long it had been ready; None = it never was.
        """
        stopped_by_hand = ready_for_s is not None and exit_code in _BY_HAND
        settled = ready_for_s is not None and ready_for_s >= SETTLED_S
        if stopped_by_hand or settled:
            self._next_s = FIRST_DELAY_S
        delay_s = self._next_s
        if not stopped_by_hand:
            self._next_s = min(2 * delay_s, LONGEST_DELAY_S)
        return delay_s


def cause_of(exit_code: int) -> str:
    """Say in words how a process ended."""
    if exit_code < 0:
        try:
            return f"ended by {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"ended by signal {-exit_code}"
    return f"ended with exit code {exit_code}"
