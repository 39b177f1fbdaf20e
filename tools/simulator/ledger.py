"""What was sent, acknowledged and refused so far; pure: whoever has a clock tells how long it took."""

import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_RECENT: Final = 1000
_MS: Final = 1000.0


@dataclass(slots=True)
class Account:
    """One tree's samples, numbered from 1.

    Attributes:
        sent: The last number given out.
        acknowledged: Numbers the suite promised to keep; some of them may be refused as well (MQTT
            acknowledges what it refuses for good, so that it is not sent again).
        refused: Numbers the suite will never take.
    """

    sent: int = 0
    acknowledged: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    @property
    def promised(self) -> set[int]:
        """What must be stored."""
        return self.acknowledged - self.refused


class Ledger:
    """The accounts of all trees, and how long acknowledgements took.

    Attributes:
        accounts: In the order of the trees.
        sent_again: Samples sent again because no acknowledgement came.
        reconnects: Connections that were lost and made anew.
        connected: Connections there are now.
        trouble: The last thing that went wrong, in words.
    """

    def __init__(self, trees: int) -> None:
        self.accounts = tuple(Account() for _ in range(trees))
        self.sent = 0
        self.acknowledged = 0
        self.sent_again = 0
        self.reconnects = 0
        self.connected = 0
        self.trouble = ""
        self._taken_ms = array("d")
        self._recent_ms: deque[float] = deque(maxlen=_RECENT)
        self._settled = 0

    @property
    def waiting(self) -> int:
        """How many samples are neither acknowledged nor refused."""
        return self.sent - self._settled

    @property
    def refused(self) -> int:
        """How many samples the suite will never take."""
        return sum(len(account.refused) for account in self.accounts)

    def next_number(self, tree: int) -> int:
        """Count a sample as sent and number it."""
        account = self.accounts[tree]
        account.sent += 1
        self.sent += 1
        return account.sent

    def acknowledge(self, tree: int, n: int, *, took_s: float) -> None:
        """A sample was acknowledged for the first time."""
        account = self.accounts[tree]
        self._settled += n not in account.refused
        account.acknowledged.add(n)
        self.acknowledged += 1
        self._taken_ms.append(took_s * _MS)
        self._recent_ms.append(took_s * _MS)

    def refuse(self, tree: int, n: int, reason: str) -> None:
        """A sample will never be taken; it may have been acknowledged all the same."""
        account = self.accounts[tree]
        self._settled += n not in account.acknowledged and n not in account.refused
        account.refused.add(n)
        self.trouble = reason

    def percentiles_ms(self, *, recent: bool = False) -> tuple[float, float] | None:
        """Return p50 and p99 from publish to acknowledged; None while there is nothing to tell."""
        taken: Sequence[float] = self._recent_ms if recent else self._taken_ms
        if not taken:
            return None
        ordered = sorted(taken)
        return percentile(ordered, 0.5), percentile(ordered, 0.99)


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the smallest value that so great a part of the ordered values does not exceed."""
    return ordered[max(math.ceil(part * len(ordered)), 1) - 1]
