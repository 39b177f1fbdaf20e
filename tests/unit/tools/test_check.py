import sys

import pytest

from tools.check import Check, run


def test_answers_come_in_order_and_only_failures_bring_their_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = [
        Check("slow", (sys.executable, "-c", "import time; time.sleep(0.2); print('hidden')")),
        Check("broken", (sys.executable, "-c", "print('what is wrong'); raise SystemExit(1)")),
    ]

    passed = run(checks)

    lines = capsys.readouterr().out.split("\n")
    assert not passed
    assert lines[0].startswith("ok   slow")
    assert lines[1].startswith("FAIL broken")
    assert lines[2] == "what is wrong"


def test_all_holding_is_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([Check("fine", (sys.executable, "-c", ""))])
    assert capsys.readouterr().out.startswith("ok   fine")
