"""What a listener allows its clients; the defaults are those of the gateway."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What clients may take.

    Attributes:
        max_connections: More are told 503 and closed.
        head_s: From the first byte of a request to the end of its headers.
        idle_s: Between requests; above the 60 s at which proxies give up first.
        stall_s: How long a client may not read its answer.
    """

    max_connections: int = 4096
    head_s: float = 10.0
    idle_s: float = 75.0
    stall_s: float = 30.0
