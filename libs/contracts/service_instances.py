"""Which service instances can be configured for applications, and what each takes (Kaa Tekton)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from libs.contracts import app_config_rules
from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.shapes import Shape
from libs.contracts.subjects import Operation

SchemaOf = Literal["appConfigurationSchema", "appVersionConfigurationSchema"]


class ServiceInstance(Struct, rename="camel", frozen=True):
    """A service instance.

    Attributes:
        name: What `serviceInstanceName` is for it.
        service_name: Of which service it is an instance, as Kaa calls it.
        service_group: What it is for, as Kaa groups services.
        description: What it does with its configuration.
        url_prefix: Where its own REST API begins; left out when it has none.
        app_configuration_schema_present: Whether what it takes for an application is known.
        app_version_configuration_schema_present: Whether what it takes for a version is known.
        app_configuration_schema: JSON Schema of the document of an application, without the envelope.
        app_version_configuration_schema: JSON Schema of the document of a version, without the envelope.
    """

    name: str
    service_name: str
    service_group: str
    description: str
    url_prefix: str | UnsetType = UNSET
    app_configuration_schema_present: bool = True
    app_version_configuration_schema_present: bool = True
    app_configuration_schema: dict[str, Any] | UnsetType = UNSET
    app_version_configuration_schema: dict[str, Any] | UnsetType = UNSET


class ListServiceInstances(ManagementRequest, frozen=True, kw_only=True):
    """All service instances.

    Attributes:
        include: Schemas to show as well, several separated by commas.
    """

    include: tuple[SchemaOf, ...] = ()


class GetServiceInstance(ManagementRequest, frozen=True, kw_only=True):
    """One service instance.

    Attributes:
        service_instance_name: Name of the service instance.
        include: Schemas to show as well, several separated by commas.
    """

    service_instance_name: str
    include: tuple[SchemaOf, ...] = ()


class ServiceInstanceReply(Reply, frozen=True, kw_only=True):
    """One service instance."""

    body: ServiceInstance


class ServiceInstancesReply(Reply, frozen=True, kw_only=True):
    """Service instances, by name."""

    body: list[ServiceInstance]


@dataclass(frozen=True, slots=True)
class Offered:
    """A service instance there is.

    Attributes:
        shown: What is shown of it always.
        rule: What it takes for an application; the same for a version.
    """

    shown: ServiceInstance
    rule: Shape

    def with_schemas(self, include: tuple[SchemaOf, ...]) -> ServiceInstance:
        """Show it with the schemas asked for."""
        schema = self.rule.schema() if include else {}
        return msgspec.structs.replace(
            self.shown,
            app_configuration_schema=schema if "appConfigurationSchema" in include else UNSET,
            app_version_configuration_schema=schema if "appVersionConfigurationSchema" in include else UNSET,
        )


_OFFERED: Final = (
    Offered(
        ServiceInstance(
            name="dcx",
            service_name="DCX",
            service_group="Data collection",
            description="Takes telemetry in; configured are where a message's own id stands and how long "
            "samples are kept.",
        ),
        app_config_rules.DCX,
    ),
    Offered(
        ServiceInstance(
            name="epmx",
            service_name="EPMX",
            service_group="Device management",
            description="Lets devices read and write metadata; configured is which keys.",
        ),
        app_config_rules.EPMX,
    ),
    Offered(
        ServiceInstance(
            name="epts",
            service_name="EPTS",
            service_group="Data collection",
            description="Keeps time series; configured is what is read out of samples.",
            url_prefix="/epts/api/v1",
        ),
        app_config_rules.EPTS,
    ),
    Offered(
        ServiceInstance(
            name="kpc",
            service_name="KPC",
            service_group="Communication",
            description="Speaks KP1 with devices; configured is which extensions they may use.",
        ),
        app_config_rules.KPC,
    ),
)
OFFERED: Final[Mapping[str, Offered]] = {each.shown.name: each for each in _OFFERED}
"""By name, in the order of names."""

_OWNER = "endpoint-register"
_PROTOCOL = "service-instances"

LIST_SERVICE_INSTANCES = Operation(
    _OWNER, _PROTOCOL, "list", ListServiceInstances, ServiceInstancesReply, "List service instances."
)
GET_SERVICE_INSTANCE = Operation(
    _OWNER, _PROTOCOL, "get", GetServiceInstance, ServiceInstanceReply, "Read a service instance."
)
