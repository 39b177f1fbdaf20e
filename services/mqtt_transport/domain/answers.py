"""How an outcome of KP1 looks in MQTT (protocol/kp1.md, Answers): topics and reason codes."""

from collections.abc import Mapping
from typing import Final

from libs.contracts.kp1 import PREFIX
from libs.mqtt import ReasonCode

_FIRST_ERROR: Final = 400
_FIXED_LEVELS: Final = 4
_WILDCARDS: Final = frozenset({"+", "#"})

_REASONS: Final[Mapping[int, ReasonCode]] = {
    400: ReasonCode.PAYLOAD_FORMAT_INVALID,
    401: ReasonCode.NOT_AUTHORIZED,
    403: ReasonCode.NOT_AUTHORIZED,
    404: ReasonCode.TOPIC_NAME_INVALID,
    413: ReasonCode.QUOTA_EXCEEDED,
}


def reason_of(status_code: int, *, path_at_fault: bool = False) -> ReasonCode:
    """Say in a v5 acknowledgement how a request ended; 3.x clients see a plain one."""
    if status_code < _FIRST_ERROR:
        return ReasonCode.SUCCESS
    if path_at_fault:
        return ReasonCode.TOPIC_NAME_INVALID
    return _REASONS.get(status_code, ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR)


def answer_topic(request_topic: str, *, is_error: bool) -> str:
    """Name the topic on which a request is answered."""
    return f"{request_topic}/error" if is_error else f"{request_topic}/status"


def push_topic(*, app_version: str, extension: str, token: str, resource: str) -> str:
    """Name the topic of something a device did not ask for."""
    return f"{PREFIX}/{app_version}/{extension}/{token}{resource}/status"


def token_named_by(topic_filter: str) -> tuple[str, str] | None:
    """Read (application version, token) from a subscription, where it names one token.

    A client that only subscribes has to be found by pushes as well (reference/kaa1.md section 1.4).
    """
    levels = topic_filter.split("/")
    if levels[0] == "$share":
        levels = levels[2:]
    if len(levels) < _FIXED_LEVELS or levels[0] != PREFIX:
        return None
    version, token = levels[1], levels[3]
    if not version or not token or {version, token} & _WILDCARDS:
        return None
    return version, token
