"""What every service that devices speak to is told; each reads it under its own name."""

from dataclasses import dataclass

from libs.process.fields import setting


@dataclass(frozen=True, kw_only=True)
class DeviceSettings:
    """Base of a transport's ``Settings``: whom it asks, what it remembers, what one endpoint may send."""

    owner_s: float = setting(
        5.0, unit="s", minimum=0.05, doc="For each owner that is asked; then 504, or 503 if it is away."
    )
    identity_entries: int = setting(
        100_000, minimum=1, unit="tokens", doc="Tokens remembered for 30 s; 85 MB when full."
    )
    identity_grace_s: float = setting(
        300.0,
        unit="s",
        minimum=0,
        maximum=3600,
        doc="How much longer a token that was let in is let in while nobody can be asked about it.",
    )
    endpoint_samples_per_s: float = setting(
        0.0,
        unit="samples/s",
        minimum=0,
        doc="That one endpoint may send to this replica in the long run; 0 = as many as it likes.",
    )
    endpoint_burst: int = setting(
        10_000,
        unit="samples",
        minimum=1,
        doc="That it may send at once; a message of the largest kind has 8,192.",
    )
