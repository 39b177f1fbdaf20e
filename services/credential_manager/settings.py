"""Settings of credential-manager; each says why its default is what it is."""

from dataclasses import dataclass

from libs.process import setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from ``GROVE_CREDENTIAL_MANAGER_<FIELD>``."""

    admin_key: str | None = setting(
        None,
        env="GROVE_ADMIN_KEY",
        secret=True,
        doc="First API key, 16 characters or more; another value replaces and revokes the former one.",
    )
    tell_within_s: float = setting(
        2.0,
        unit="s",
        minimum=0.1,
        maximum=10,
        doc="How long a request waits for its events; with the write, below what callers wait (3 to 5 s).",
    )
    sweep_every_s: float = setting(
        5.0,
        unit="s",
        minimum=0.1,
        maximum=60,
        doc="How soon a replica tells what another one wrote but did not live to tell.",
    )
    audit_retention_days: float = setting(
        365.0,
        unit="days",
        minimum=0.01,
        maximum=36_500,
        doc="How long it is kept who changed what.",
    )
    audit_forget_every_s: float = setting(
        3600.0,
        unit="s",
        minimum=0.1,
        maximum=86_400,
        doc="How often audit records that are older than that are deleted.",
    )
