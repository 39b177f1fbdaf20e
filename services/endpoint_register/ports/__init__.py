"""What the use cases need of the world: :mod:`.keeping` for the store, :mod:`.acting` for all else."""

from services.endpoint_register.ports.acting import (
    Announcing,
    Change,
    Changing,
    Clock,
    Credentials,
    Entropy,
    EventPublisher,
    Judging,
    Parts,
    Turns,
    Whitelists,
)
from services.endpoint_register.ports.keeping import (
    ApplicationRepository,
    BatchRepository,
    ConfigurationRepository,
    ConnectivityRepository,
    EndpointListing,
    EndpointRepository,
    FilterRepository,
    RelationRepository,
    RunRepository,
)

__all__ = [
    "Announcing",
    "ApplicationRepository",
    "BatchRepository",
    "Change",
    "Changing",
    "Clock",
    "ConfigurationRepository",
    "ConnectivityRepository",
    "Credentials",
    "EndpointListing",
    "EndpointRepository",
    "Entropy",
    "EventPublisher",
    "FilterRepository",
    "Judging",
    "Parts",
    "RelationRepository",
    "RunRepository",
    "Turns",
    "Whitelists",
]
