"""``/tekton/api/v1/service-instances``: what can be configured for applications (reference 3.7)."""

from libs.contracts import service_instances as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.app_configs import TAG
from services.api_gateway.routes.declaration import Route

_INSTANCES = "/tekton/api/v1/service-instances"
_EXAMPLE = {
    "name": "epmx",
    "serviceName": "EPMX",
    "serviceGroup": "Device management",
    "description": "Lets devices read and write metadata; configured is which keys.",
    "appConfigurationSchemaPresent": True,
    "appVersionConfigurationSchemaPresent": True,
}
_SCHEMAS = (
    "With `include` the JSON Schema of the document it takes for an application, or for a version, "
    "without the envelope around it. Whatever a PUT accepts keeps to it; a PUT also refuses what a schema "
    "cannot say, such as a retention that is too short."
)

ROUTES = (
    Route(
        tag=TAG,
        method="GET",
        path=_INSTANCES,
        operation=contract.LIST_SERVICE_INSTANCES,
        scope=Scope.READ,
        summary="List service instances",
        description=f"Those that can be configured, by name, as a plain array. {_SCHEMAS}",
        response_example=[_EXAMPLE],
    ),
    Route(
        tag=TAG,
        method="GET",
        path=f"{_INSTANCES}/{{serviceInstanceName}}",
        operation=contract.GET_SERVICE_INSTANCE,
        scope=Scope.READ,
        summary="Read a service instance",
        description=_SCHEMAS,
        response_example=_EXAMPLE,
    ),
)
