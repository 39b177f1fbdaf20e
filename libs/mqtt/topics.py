"""Topic names and filters: which are valid, and which filter matches which name [MQTT 4.7]."""

from libs.mqtt.fields import MAX_STRING_BYTES

_SHARE = "$share/"


def is_valid_name(topic: str) -> bool:
    """Whether messages may carry this topic: not empty [MQTT-4.7.3-1], no wildcard [MQTT-3.3.2-2].

    NUL [MQTT-4.7.3-2] and lone surrogates [MQTT-1.5.4-1] cannot be encoded for the wire.
    """
    return "+" not in topic and "#" not in topic and _is_encodable(topic)


def is_valid_filter(topic_filter: str) -> bool:
    """Whether one may subscribe: ``+`` fills a level [MQTT-4.7.1-3], ``#`` the last [MQTT-4.7.1-2]."""
    if not _is_encodable(topic_filter):
        return False
    if "#" in topic_filter[:-1]:
        return False
    if topic_filter.endswith("#") and topic_filter[-2:-1] not in ("", "/"):
        return False
    return "+" not in topic_filter or all(
        level == "+" or "+" not in level for level in topic_filter.split("/")
    )


def is_valid_shared_filter(topic_filter: str) -> bool:
    """Whether one may subscribe to this in v5, where ``$share/<name>/<filter>`` has a meaning of its own.

    The name has at least one character and no wildcard [MQTT-4.8.2-1]; a filter follows [MQTT-4.8.2-2].
    """
    if not topic_filter.startswith(_SHARE):
        return topic_filter != "$share" and is_valid_filter(topic_filter)
    name, _, rest = topic_filter[len(_SHARE) :].partition("/")
    return is_valid_name(name) and is_valid_filter(rest) and _is_encodable(topic_filter)


def split_shared(topic_filter: str) -> tuple[str, str]:
    """Split a v5 filter into its ``$share/<name>/`` (empty if it is not shared) and what it matches."""
    if not topic_filter.startswith(_SHARE):
        return "", topic_filter
    end = topic_filter.find("/", len(_SHARE)) + 1
    return topic_filter[:end], topic_filter[end:]


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a valid filter matches a valid name; leading wildcards miss ``$`` topics [MQTT-4.7.2-1]."""
    if topic_filter == topic:
        return True
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":  # includes the parent level itself [MQTT 4.7.1.2]
        del wanted[-1]
        del levels[len(wanted) :]
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )


def _is_encodable(text: str) -> bool:
    if not text or "\0" in text:
        return False
    try:
        return len(text.encode()) <= MAX_STRING_BYTES  # [MQTT-4.7.3-3]
    except UnicodeEncodeError:
        return False
