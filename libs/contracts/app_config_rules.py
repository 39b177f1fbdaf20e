"""What may be configured for an application or a version: the rules of each service instance that we know.

Owners hold documents to them, and :mod:`libs.contracts.service_instances` shows them as JSON Schema.
"""

from typing import Final, Literal, get_args

from libs.contracts.ids import MAX_NAME_LENGTH, METADATA_KEY_CHARACTERS
from libs.contracts.kp1 import EXTENSIONS
from libs.contracts.shapes import Array, Choice, Flag, Name, Record, Table, Text

TimeFormat = Literal["iso8601", "millis-unix-epoch", "unix-epoch"]
Fallback = Literal["server-timestamp", "fail"]
ValueType = Literal["number", "string", "boolean"]

EXTENSION_NAMES: Final = EXTENSIONS | {"cmx_ota", "bcx", "rsx", "adx"}
"""Names that may be allowed: ours, and Kaa's whose service may come later."""

_SERIES: Final = "[A-Za-z0-9_-]"
_MAX_SERIES: Final = 256
_MAX_VALUES: Final = 64
_MAX_SERIES_NAME: Final = 128
_RESERVED: Final = frozenset({"time", "kaaEndpointID", "kaaEmpty", "_field", "_measurement"})

_PATH: Final = Text(
    says="must be a text", description="Where it stands: a JSON path such as location.latitude or list[0]."
)

EPMX: Final = Record(
    members={
        "metadata-keys": Table(
            what="metadata key",
            name=Name(
                characters=METADATA_KEY_CHARACTERS,
                most=MAX_NAME_LENGTH,
                says=f"must be 1 to {MAX_NAME_LENGTH} characters of {METADATA_KEY_CHARACTERS}",
            ),
            entry=Record(members={"write-enabled": Flag()}),
        )
    }
)
"""Which metadata keys devices may read, and which of them they may write."""

KPC: Final = Record(
    members={"allowed-extension-instances": Array(item=Choice(tuple(sorted(EXTENSION_NAMES))), distinct=True)}
)
"""Which extensions of KP1 devices may use."""

TIME_SERIES: Final = Record(
    members={
        "auto-extract": Flag(),
        "timestamp": Record(
            members={
                "path": _PATH,
                "format": Choice(get_args(TimeFormat)),
                "fallback-strategy": Choice(get_args(Fallback)),
            }
        ),
        "names": Table(
            what="series",
            name=Name(
                characters=_SERIES,
                most=_MAX_SERIES_NAME,
                says=f"must be 1 to {_MAX_SERIES_NAME} characters of {_SERIES}",
            ),
            entry=Record(
                members={
                    "values": Array(
                        item=Record(
                            members={
                                "name": Name(
                                    characters=r"""[^\\^$'"=,\x00-\x1f]""",
                                    most=128,
                                    says=f"may not be one of {', '.join(sorted(_RESERVED))}, "
                                    "nor hold \\ ^ $ ' \" = ,",
                                    besides=_RESERVED,
                                ),
                                "path": _PATH,
                                "type": Choice(get_args(ValueType)),
                            },
                            required=frozenset({"path"}),
                        ),
                        least=1,
                        most=_MAX_VALUES,
                    )
                },
                required=frozenset({"values"}),
            ),
            most=_MAX_SERIES,
        ),
    }
)
"""What is read out of samples."""

EPTS: Final = Record(members={"time-series": TIME_SERIES})

MESSAGE_ID: Final = Record(members={"path": _PATH}, required=frozenset({"path"}))
"""Where a message's own id stands."""

RETENTION: Final = Text(
    says="must be a duration such as 90d",
    description="How long samples are kept: a whole number and one of ms, s, m, h, d; null = for ever.",
    or_null=True,
)

DCX: Final = Record(members={"message-id": MESSAGE_ID, "retention": RETENTION})
