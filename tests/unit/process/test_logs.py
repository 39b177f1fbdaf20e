import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from libs.process.logs import configure_logs
from libs.process.masking import looks_secret, mask_text


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs of the whole interpreter, given back afterwards as they were."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    configure_logs(service="olive-press", replica="olive-press-1", level="info", stream=stream)
    yield stream
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_when_and_who(stream: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(correlation_id="c-1")

    structlog.get_logger().info("tree.planted", kind="fig\nbanyan")

    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "event": "tree.planted",
        "level": "info",
        "service": "olive-press",
        "replica": "olive-press-1",
        "correlation_id": "c-1",
        "kind": "fig\nbanyan",
    }


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    structlog.get_logger().debug("tree.watered", payload=b"secret")

    assert lines(stream) == []


def test_libraries_come_out_in_the_same_form_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("pymongo.command").info("every document")
    logging.getLogger("aiohttp.server").error("broken %s", "nats://user:hidden@bus")

    (line,) = lines(stream)
    assert line["event"] == "broken nats://***@bus"
    assert line["logger"] == "aiohttp.server"
    assert line["service"] == "olive-press"


def test_secrets_are_masked_at_any_depth_and_in_tracebacks(stream: io.StringIO) -> None:
    error = ConnectionError("mongodb://user:hidden@store")

    structlog.get_logger().error(
        "failed", exc_info=error, token="hidden", nested={"list": [{"apiKey": "hidden"}]}
    )

    (line,) = lines(stream)
    assert "hidden" not in stream.getvalue()
    assert line["token"] == "***"
    assert line["nested"] == {"list": [{"apiKey": "***"}]}
    assert "mongodb://***@store" in line["exception"]


def test_what_json_cannot_hold_is_shown_as_python_would(stream: io.StringIO) -> None:
    structlog.get_logger().info("odd", raw=b"\xff", text="\ud800")

    (line,) = lines(stream)
    assert line["raw"] == "b'\\xff'"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("token", True),
        ("endpointToken", True),
        ("secrets_key", True),
        ("Authorization", True),
        ("X-API-Key", True),
        ("PASSWORD", True),
        ("admin_key", True),
        ("client_credentials", True),
        ("key_pattern", False),
        ("keys", False),
        ("token_id", False),
        ("token_state", False),
        ("keyboard", False),
        ("secretary", False),
        ("", False),
    ],
)
def test_names_that_look_secret(name: str, *, secret: bool) -> None:
    assert looks_secret(name) is secret


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("at nats://u:p%40x@h:4222/ now", "at nats://***@h:4222/ now", id="url"),
        pytest.param("http://host/path@home", "http://host/path@home", id="at sign in a path"),
        pytest.param("POST /kp1/app/epmx/TOKEN/get", "POST /kp1/app/epmx/***/get", id="kp1 path"),
        pytest.param("Authorization: Bearer abc.def-123", "Authorization: Bearer ***", id="bearer"),
        pytest.param("a bearer of news", "a bearer of news", id="plain words"),
    ],
)
def test_secrets_in_texts_are_found_by_their_shape(text: str, masked: str) -> None:
    assert mask_text(text) == masked
