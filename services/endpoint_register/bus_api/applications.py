"""Handlers of ``applications``, and of what transports ask about a version."""

from http import HTTPStatus

import msgspec

from libs.contracts import applications as contract
from libs.contracts.lifecycle import AppVersionRequest, AppVersionResponse
from libs.contracts.service_instances import (
    GetServiceInstance,
    ListServiceInstances,
    ServiceInstanceReply,
    ServiceInstancesReply,
)
from services.endpoint_register.bus_api.bodies import application_body, version_body
from services.endpoint_register.domain.application import Application
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import (
    applications,
    configuring,
    configuring_many,
    emptying,
    service_instances,
    versions,
)


class ApplicationHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_list_applications(self, request: contract.ListApplications) -> contract.ApplicationsReply:
        found, last = await applications.list_applications(request, size_of=_size_of, parts=self._parts)
        return contract.ApplicationsReply(
            body=[application_body(each) for each in found], next="" if last is None else str(last)
        )

    async def on_create_application(self, request: contract.CreateApplication) -> contract.ApplicationReply:
        application = await applications.create_application(request, parts=self._parts)
        return contract.ApplicationReply(
            status_code=HTTPStatus.CREATED.value, body=application_body(application)
        )

    async def on_get_application(self, request: contract.GetApplication) -> contract.ApplicationReply:
        application = await applications.get_application(request, parts=self._parts)
        return contract.ApplicationReply(body=application_body(application))

    async def on_update_application(self, request: contract.UpdateApplication) -> contract.ApplicationReply:
        application = await applications.update_application(request, parts=self._parts)
        return contract.ApplicationReply(body=application_body(application))

    async def on_delete_application(self, request: contract.DeleteApplication) -> contract.EmptyReply:
        await emptying.delete_application(request, parts=self._parts)
        return contract.EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)

    async def on_list_versions(self, request: contract.ListVersions) -> contract.VersionsReply:
        found = await versions.list_versions(request, parts=self._parts)
        return contract.VersionsReply(body=[version_body(each) for each in found])

    async def on_create_version(self, request: contract.CreateVersion) -> contract.VersionReply:
        version = await versions.create_version(request, parts=self._parts)
        return contract.VersionReply(status_code=HTTPStatus.CREATED.value, body=version_body(version))

    async def on_get_version(self, request: contract.GetVersion) -> contract.VersionReply:
        return contract.VersionReply(
            body=version_body(await versions.get_version(request, parts=self._parts))
        )

    async def on_update_version(self, request: contract.UpdateVersion) -> contract.VersionReply:
        version = await versions.update_version(request, parts=self._parts)
        return contract.VersionReply(body=version_body(version))

    async def on_delete_version(self, request: contract.DeleteVersion) -> contract.EmptyReply:
        await versions.delete_version(request, parts=self._parts)
        return contract.EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)

    async def on_get_configuration(self, request: contract.GetAppConfig) -> contract.AppConfigReply:
        return contract.AppConfigReply(body=await configuring.get_configuration(request, parts=self._parts))

    async def on_put_configuration(self, request: contract.PutAppConfig) -> contract.AppConfigReply:
        return contract.AppConfigReply(body=await configuring.put_configuration(request, parts=self._parts))

    async def on_patch_configuration(self, request: contract.PatchAppConfig) -> contract.AppConfigReply:
        return contract.AppConfigReply(body=await configuring.patch_configuration(request, parts=self._parts))

    async def on_list_configurations(self, request: contract.ListAppConfigs) -> contract.AppConfigReply:
        found = await configuring_many.list_configurations(request, parts=self._parts)
        return contract.AppConfigReply(body=found)

    async def on_put_configurations(self, request: contract.PutAppConfigs) -> contract.WrittenConfigsReply:
        written = await configuring_many.put_configurations(request, parts=self._parts)
        return contract.WrittenConfigsReply(body=written)

    async def on_list_service_instances(self, request: ListServiceInstances) -> ServiceInstancesReply:
        return ServiceInstancesReply(body=service_instances.list_service_instances(request))

    async def on_get_service_instance(self, request: GetServiceInstance) -> ServiceInstanceReply:
        return ServiceInstanceReply(body=service_instances.get_service_instance(request))

    async def on_resolve_version(self, request: AppVersionRequest) -> AppVersionResponse:
        application, extensions = await versions.resolve_version(request, parts=self._parts)
        return AppVersionResponse(application_name=application, extensions=extensions)


def _size_of(application: Application) -> int:
    return len(msgspec.msgpack.encode(application_body(application)))
