"""How outcomes look in MQTT: topics and reason codes."""

import pytest

from libs.mqtt import ReasonCode
from services.mqtt_transport.domain.answers import answer_topic, push_topic, reason_of, token_named_by


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, 0x00),
        (400, 0x99),
        (401, 0x87),
        (403, 0x87),
        (404, 0x90),
        (412, 0x83),
        (413, 0x97),
        (415, 0x83),
        (422, 0x83),
    ],
)
def test_each_outcome_has_its_reason_code(status: int, reason: int) -> None:
    assert reason_of(status) == ReasonCode(reason)


def test_a_bad_topic_is_told_from_a_bad_payload() -> None:
    assert reason_of(400, path_at_fault=True) == ReasonCode(0x90)


def test_answers_go_below_the_topic_of_the_request() -> None:
    topic = "kp1/grove-v1/epmx/token/get/0"

    assert answer_topic(topic, is_error=False) == f"{topic}/status"
    assert answer_topic(topic, is_error=True) == f"{topic}/error"


def test_pushes_have_no_request_id() -> None:
    told = push_topic(app_version="grove-v1", extension="cex", token="token", resource="/command/reboot")

    assert told == "kp1/grove-v1/cex/token/command/reboot/status"


@pytest.mark.parametrize(
    ("topic_filter", "named"),
    [
        ("kp1/grove-v1/cex/token/command/+/status", ("grove-v1", "token")),
        ("kp1/grove-v1/+/token/#", ("grove-v1", "token")),
        ("kp1/grove-v1/cex/token", ("grove-v1", "token")),
        ("$share/fleet/kp1/grove-v1/cex/token/#", ("grove-v1", "token")),
        ("kp1/#", None),
        ("kp1/+/cex/token/#", None),
        ("kp1/grove-v1/cex/+/command", None),
        ("kp1/grove-v1/cex/#", None),
        ("kp1//cex/token", None),
        ("kp1/grove-v1/cex//command", None),
        ("topic_buffer", None),
        ("other/grove-v1/cex/token", None),
    ],
)
def test_a_filter_that_names_one_token_binds_it(topic_filter: str, named: tuple[str, str] | None) -> None:
    assert token_named_by(topic_filter) == named
