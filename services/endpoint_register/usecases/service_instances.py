"""Which service instances can be configured; this is no application's, so every API key may know."""

from libs.contracts.errors import NotFoundError
from libs.contracts.service_instances import (
    OFFERED,
    GetServiceInstance,
    ListServiceInstances,
    ServiceInstance,
)


def list_service_instances(cmd: ListServiceInstances) -> list[ServiceInstance]:
    """Show all of them, by name."""
    return [each.with_schemas(cmd.include) for each in OFFERED.values()]


def get_service_instance(cmd: GetServiceInstance) -> ServiceInstance:
    """Show one.

    Raises:
        NotFoundError: There is none of this name.
    """
    found = OFFERED.get(cmd.service_instance_name)
    if found is None:
        raise NotFoundError(f"there is no service instance {cmd.service_instance_name[:64]!a}")
    return found.with_schemas(cmd.include)
