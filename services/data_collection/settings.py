"""Settings of data-collection; each says why its default is what it is."""

from dataclasses import dataclass

from libs.process import setting


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from ``GROVE_DATA_COLLECTION_<FIELD>``."""

    loops: int = setting(
        2,
        minimum=1,
        maximum=16,
        doc="Handfuls of batches worked on at once: while the store works on one, the next is taken apart.",
    )
    batches: int = setting(
        4,
        minimum=1,
        maximum=32,
        doc="Batches in a handful: four full ones fill a slice of 1,000; each may hold 512 KiB.",
    )
    point_events: bool = setting(
        default=True,
        doc="Tell of points of time series, too; costs little while nobody listens.",
    )
    watch_every_s: float = setting(
        10.0,
        unit="s",
        minimum=0.1,
        maximum=60,
        doc="How often the backlog is measured, and batches sought that no consumer gives out.",
    )
    removals_every_s: float = setting(
        5.0,
        unit="s",
        minimum=0.1,
        maximum=600,
        doc="How often samples of endpoints that are gone are deleted.",
    )
    retention_every_s: float = setting(
        3600.0,
        unit="s",
        minimum=1,
        maximum=86_400,
        doc="How often what is older than its application keeps it is deleted: it keeps days, so hourly; "
        "and what was configured for applications that are gone, should no event have told of it.",
    )
