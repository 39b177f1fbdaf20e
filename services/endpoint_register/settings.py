"""Settings of endpoint-register; each says why its default is what it is."""

from dataclasses import dataclass

from libs.contracts.connectivity import SILENT_AFTER_S
from libs.process import setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from ``GROVE_ENDPOINT_REGISTER_<FIELD>``."""

    max_in_flight: int = setting(
        2048,
        minimum=1,
        maximum=65536,
        doc="Requests worked on at once; a crowd on one endpoint waits in line here, the rest gets 503.",
    )
    sweep_every_s: float = setting(
        5.0,
        unit="s",
        minimum=0.05,
        maximum=60,
        doc="How often what a dead replica left half done is looked for.",
    )
    outbox_after_s: float = setting(
        5.0,
        unit="s",
        minimum=0.05,
        maximum=60,
        doc="Age at which an event counts as left behind; live ones are published within milliseconds.",
    )
    creating_after_s: float = setting(
        60.0,
        unit="s",
        minimum=1,
        maximum=600,
        doc="Age at which a creation is rolled back: longer than a request to credential-manager can live.",
    )
    active_s: float = setting(
        600.0,
        unit="s",
        minimum=1,
        maximum=604_800,
        doc="How long an endpoint counts as active after it was heard: many report every 5 to 10 minutes.",
    )
    silent_after_s: float = setting(
        SILENT_AFTER_S,
        unit="s",
        minimum=1,
        maximum=600,
        doc="Silence after which all a transport held is ended for it; it says that it lives every 5 s.",
    )
