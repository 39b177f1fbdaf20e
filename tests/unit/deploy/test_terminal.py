import io
import threading
from pathlib import Path

from deploy.local.process_log import ProcessLog
from deploy.local.terminal import Terminal, wants_colour


class Screen(io.StringIO):
    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class StuckScreen(Screen):
    """Accepts the first text and then nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        self.let_go.wait()
        return super().write(text)


class GoneScreen(Screen):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def terminal(out: Screen, tmp_path: Path, *, colour: bool = False, quiet: bool = False) -> Terminal:
    journal = ProcessLog(tmp_path / "runner.log", max_bytes=10**6)
    return Terminal(out, colour=colour, quiet=quiet, journal=journal)


def test_quiet_leaves_out_progress_and_log_lines_but_not_addresses_and_complaints(tmp_path: Path) -> None:
    out = Screen()
    quiet = terminal(out, tmp_path, quiet=True)

    quiet.progress("starting")
    quiet.announce("ready")
    quiet.complain("nats ended")
    quiet.close()

    assert out.getvalue() == "ready\nnats ended\n"
    assert quiet.shower("nats", least="debug") is None


def test_the_journal_has_what_was_said_but_no_keys(tmp_path: Path) -> None:
    said = terminal(Screen(), tmp_path, quiet=True)

    said.progress("starting")
    said.announce("key: abc")
    said.complain("nats ended")
    said.close()

    lines = (tmp_path / "runner.log").read_text().splitlines()
    assert [line.split("Z ", 1)[1] for line in lines] == ["starting", "nats ended"]


def test_log_lines_are_labelled_and_filtered(tmp_path: Path) -> None:
    out = Screen()
    shown = terminal(out, tmp_path)

    show = shown.shower("nats", least="warning")
    assert show is not None
    show("[1] 2026/11/21 03:46:16.251308 [INF] started")
    show("[1] 2026/11/21 03:46:16.251308 [ERR] broken")
    shown.close()

    assert out.getvalue() == f"{'nats':<20} | 03:46:16.251 error    broken\n"


def test_a_terminal_that_stands_still_holds_nobody_up_and_what_it_missed_is_counted(tmp_path: Path) -> None:
    out = StuckScreen()
    slow = terminal(out, tmp_path, quiet=True)

    for number in range(12_000):
        slow.announce(f"line {number}")
    out.let_go.set()
    slow.close()

    assert "lines not shown: the terminal was too slow" in out.getvalue()
    assert 10_000 <= out.getvalue().count("\nline ") < 12_000


def test_a_terminal_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    gone = terminal(GoneScreen(), tmp_path)

    for _ in range(3):
        gone.announce("hello")

    gone.close()


def test_colour_only_on_a_terminal_and_unless_refused() -> None:
    assert wants_colour(Screen(is_terminal=True), no_color="")
    assert not wants_colour(Screen(is_terminal=True), no_color="1")
    assert not wants_colour(Screen(), no_color="")
