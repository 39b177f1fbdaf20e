"""Configuration changed in part by several replicas, and of several versions at once."""

import asyncio
from typing import Any

from libs.contracts import applications as tekton
from libs.contracts.errors import NotFoundError
from libs.contracts.lifecycle import RESOLVE_APP_VERSION, AppVersionRequest
from libs.contracts.service_instances import (
    GET_SERVICE_INSTANCE,
    LIST_SERVICE_INSTANCES,
    GetServiceInstance,
    ListServiceInstances,
)
from tests.component.endpoint_register.conftest import Client, NewReplica, Replica
from tests.support.rest import Json


async def test_patches_of_all_replicas_are_all_felt(client: Client, start: NewReplica) -> None:
    replicas = [await start(), await start()]
    version = await client.new_version()
    application = version.rpartition("-")[0]

    def placed(keys: Json) -> dict[str, Any]:
        own = {"versions": {version: {"metadata-keys": keys}}}
        return {"epmx": {"kaa": {"applications": {application: own}}}}

    async def patch(keys: Json) -> None:
        request = tekton.PatchAppConfig(
            application_name=application,
            service_instance_name="epmx",
            version_name=version,
            body=placed(keys),
        )
        await client.ask(tekton.PATCH_APP_CONFIG, request)

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(patch({f"k{number}": {}}), name=f"patch {number}")
    await patch({"k0": None})

    found = await client.ask(tekton.LIST_APP_CONFIGS, tekton.ListAppConfigs(service_instance_name="epmx"))
    assert found.body == placed({f"k{number}": {} for number in range(1, 12)})
    assert len(replicas) == 2


async def test_several_configurations_are_written_together(client: Client, replica: Replica) -> None:
    versions = [await client.new_version(), await client.new_version()]
    own: Json = {"allowed-extension-instances": ["epmx"]}
    applications = {each.rpartition("-")[0]: {"versions": {each: own}} for each in versions}
    request = tekton.PutAppConfigs(
        service_instance_name="kpc", body={"kpc": {"kaa": {"applications": applications}}}
    )

    written = await client.ask(tekton.PUT_APP_CONFIGS, request)

    assert {each.version_name for each in written.body.written} == set(versions)
    for version in versions:
        resolved = await client.ask(RESOLVE_APP_VERSION, AppVersionRequest(app_version_name=version))
        assert resolved.extensions == ("epmx",)


async def test_what_can_be_configured_is_told_to_every_key_with_its_schema(
    client: Client, replica: Replica
) -> None:
    listed = await client.ask(
        LIST_SERVICE_INSTANCES, ListServiceInstances(include=("appConfigurationSchema",), applications=())
    )
    refused = await client.refused(
        GET_SERVICE_INSTANCE, GetServiceInstance(service_instance_name="no-such", applications=())
    )

    schemas = {each.name: each.app_configuration_schema for each in listed.body}
    assert schemas["kpc"]["properties"].keys() == {"allowed-extension-instances"}
    assert isinstance(refused, NotFoundError)
