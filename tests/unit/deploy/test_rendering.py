import json

import pytest

from deploy.local.rendering import Line, colour_of, is_shown, parse, render


def test_a_json_line_becomes_event_and_fields_without_what_the_label_says() -> None:
    entry = {
        "event": "request.done",
        "level": "info",
        "service": "endpoint-register",
        "replica": "endpoint-register-1",
        "subject": "grove.v1.service.epmx",
        "status": 200,
        "reason": "two words",
    }

    line = parse(json.dumps(entry))

    assert line.text == 'request.done  subject=grove.v1.service.epmx status=200 reason="two words"'
    assert line.level == "info"


def test_a_traceback_is_shown_below_its_line() -> None:
    line = parse(json.dumps({"event": "x", "level": "error", "exception": "Traceback:\n  boom"}))

    assert render(line, label="a").splitlines() == [
        f"{'a':<20} | {'':<12} {'error':<8} x",
        f"{'a':<20} | Traceback:",
        f"{'a':<20} |   boom",
    ]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        pytest.param(
            "[8053] 2026/11/21 03:46:16.251308 [WRN] slow consumer",
            Line(time="03:46:16.251", level="warning", text="slow consumer"),
            id="nats",
        ),
        pytest.param(
            "2026-11-21 03:42:46,654 ERROR secantus.server: disk is full",
            Line(time="03:42:46.654", level="error", text="secantus.server: disk is full"),
            id="store",
        ),
        pytest.param(
            "Fatal Python error: oops",
            Line(time="", level="info", text="Fatal Python error: oops"),
            id="no known form",
        ),
        pytest.param('{"event":', Line(time="", level="info", text='{"event":'), id="cut json"),
    ],
)
def test_lines_of_other_programs_are_understood(raw: str, line: Line) -> None:
    assert parse(raw) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(Line(time="", level="info", text="x"), False, id="below the level"),
        pytest.param(Line(time="", level="error", text="x"), True, id="above the level"),
        pytest.param(Line(time="", level="strange", text="x"), True, id="unknown level"),
        pytest.param(Line(time="", level="error", text="  "), False, id="empty"),
        pytest.param(
            Line(time="", level="warning", text="Plaintext passwords detected, use nkeys"),
            False,
            id="expected",
        ),
    ],
)
def test_only_what_matters_is_shown(line: Line, *, shown: bool) -> None:
    assert is_shown(line, least="warning") is shown


def test_what_a_device_sent_cannot_steer_the_terminal() -> None:
    line = parse(json.dumps({"event": "x", "level": "info", "topic": "\x1b[2J\x07"}))

    assert "\x1b" not in render(Line(time="", level="info", text="\x1b[2J\x9b1m"), label="a")
    assert "\x1b" not in render(line, label="a")


def test_colour_is_used_only_where_it_is_asked_for() -> None:
    line = Line(time="", level="error", text="x")

    assert "\x1b" not in render(line, label="a")
    assert render(line, label="a", colour=colour_of(0)).startswith(colour_of(0))
    assert colour_of(0) != colour_of(1)
