"""The service as the gateway and the transports meet it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from libs.contracts import applications as tekton
from libs.contracts import endpoints as epr
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    UnprocessableError,
)
from libs.contracts.lifecycle import (
    APP_VERSION_UPDATED,
    CONFIGURATION_UPSERTED,
    METADATA_UPDATED,
    REGISTERED,
    RESOLVE_APP_VERSION,
    UNREGISTERED,
    AppVersionRequest,
)
from libs.contracts.messages import Request
from libs.contracts.subjects import AnyOperation
from tests.component.endpoint_register.conftest import Client, NewReplica, Replica, StandInCredentials
from tests.support.rest import Json
from tests.support.waiting import eventually


async def test_an_endpoint_is_created_read_listed_updated_and_seen(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()

    created = await client.new_endpoint(version, metadata={"description": "third row"})
    await client.device(version, created.endpoint_id, "/update/keys", {"model": "BFG 9000"})

    assert credentials.of(created.endpoint_id) == [created.token]
    assert created.status == "Inactive"
    assert len(created.token) == 24
    seen = await client.device(version, created.endpoint_id, "/get")
    assert json.loads(seen) == {"description": "third row", "model": "BFG 9000"}
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(include=("metadata", "filters")))
    (listed,) = page.body.content
    assert page.body.total_elements == 1
    assert listed.metadata == {"description": "third row", "model": "BFG 9000"}
    assert listed.filters == []
    assert listed.app_version.name == version


async def test_everything_that_happens_is_told(client: Client, replica: Replica) -> None:
    await client.listen(REGISTERED, UNREGISTERED, APP_VERSION_UPDATED, METADATA_UPDATED)
    version = await client.new_version()
    other = await client.ask(
        tekton.CREATE_VERSION,
        tekton.CreateVersion(
            application_name=version.rpartition("-")[0], body=tekton.NewAppVersion(name_suffix="v2")
        ),
    )
    endpoint = (await client.new_endpoint(version, metadata={"a": 1, "b": None})).endpoint_id

    await client.device(version, endpoint, "/update", {"a": 1.0, "c": {"d": []}})
    await client.ask(
        epr.PUT_ENDPOINT_VERSION,
        epr.PutEndpointVersion(endpoint_id=endpoint, body=epr.AppVersionRef(other.body.name)),
    )
    await client.ask(epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=endpoint))

    await client.until(lambda: "unregistered" in client.names())
    first = {kind.name: event for kind, event in reversed(client.heard)}
    registered, updated, moved, unregistered = (first[name] for name in client.names())
    assert client.names() == ["registered", "updated", "appversion-updated", "unregistered"]
    assert (registered.endpoint_id, registered.app_version_name) == (endpoint, version)
    assert (updated.removed, updated.added) == ({"b": None}, {"c": '{"d":[]}'})
    assert (updated.updated["a"].old_value, updated.updated["a"].new_value) == ("1", "1.0")
    assert (moved.previous_app_version_name, moved.app_version_name) == (version, other.body.name)
    assert unregistered.originator_replica_id == replica.bus_name
    assert all(event.correlation_id for _, event in client.heard)


async def test_metadata_are_read_and_written_with_conditions(client: Client, replica: Replica) -> None:
    endpoint = (await client.new_endpoint(await client.new_version())).endpoint_id

    written = await client.ask(
        epr.PUT_METADATA, epr.PutMetadata(endpoint_id=endpoint, payload=b'{"n": 1, "f": 1.0}')
    )
    read = await client.ask(epr.GET_METADATA, epr.GetMetadata(endpoint_id=endpoint))
    again = await client.ask(
        epr.GET_METADATA, epr.GetMetadata(endpoint_id=endpoint, if_none_match=f'W/{read.e_tag}, "x"')
    )
    patched = await client.ask(
        epr.PATCH_METADATA,
        epr.PatchMetadata(
            endpoint_id=endpoint, payload=b'[{"op":"add","path":"/x","value":[]}]', if_match=read.e_tag
        ),
    )
    stale = await client.refused(
        epr.DELETE_METADATA_KEY,
        epr.DeleteMetadataKey(endpoint_id=endpoint, key="n", if_match=read.e_tag),
    )
    key = await client.ask(epr.GET_METADATA_KEY, epr.GetMetadataKey(endpoint_id=endpoint, key="f"))

    assert (written.status_code, written.payload, written.e_tag) == (204, b"", read.e_tag)
    assert read.payload == b'{"n":1,"f":1.0}'
    assert (again.status_code, again.payload) == (304, b"")
    assert patched.e_tag not in {"", read.e_tag}
    assert isinstance(stale, PreconditionFailedError)
    assert (key.payload, key.e_tag) == (b"1.0", patched.e_tag)


@pytest.mark.parametrize(
    ("operation", "request_type", "fields", "error"),
    [
        pytest.param(epr.PUT_METADATA, epr.PutMetadata, {"payload": b"[]"}, BadRequestError, id="array"),
        pytest.param(epr.PUT_METADATA, epr.PutMetadata, {"payload": b'{"a-b":1}'}, BadRequestError, id="key"),
        pytest.param(epr.PUT_METADATA, epr.PutMetadata, {"payload": b"\xff"}, BadRequestError, id="no UTF-8"),
        pytest.param(
            epr.PUT_METADATA,
            epr.PutMetadata,
            {"payload": b'{"a":"%s"}' % (b"x" * 262_144)},
            PayloadTooLargeError,
            id="a byte too many",
        ),
        pytest.param(
            epr.PUT_METADATA,
            epr.PutMetadata,
            {"payload": b'{"a":' + b'{"a":' * 99 + b"1" + b"}" * 100},
            BadRequestError,
            id="deep",
        ),
        pytest.param(
            epr.PATCH_METADATA, epr.PatchMetadata, {"payload": b"{}"}, BadRequestError, id="no patch"
        ),
        pytest.param(
            epr.PATCH_METADATA,
            epr.PatchMetadata,
            {"payload": b'[{"op":"remove","path":"/x"}]'},
            UnprocessableError,
            id="patch that cannot be",
        ),
        pytest.param(
            epr.PATCH_METADATA,
            epr.PatchMetadata,
            {"payload": b"[]", "if_match": "nonsense"},
            BadRequestError,
            id="no condition",
        ),
        pytest.param(
            epr.PUT_METADATA_KEY,
            epr.PutMetadataKey,
            {"key": "../x", "payload": b"1"},
            BadRequestError,
            id="hostile key",
        ),
        pytest.param(
            epr.GET_METADATA_KEY, epr.GetMetadataKey, {"key": "gone"}, NotFoundError, id="no such key"
        ),
        pytest.param(epr.GET_METADATA, epr.GetMetadata, {"include": ("a b",)}, BadRequestError, id="no key"),
        pytest.param(
            epr.GET_METADATA,
            epr.GetMetadata,
            {"applications": ("figs",)},
            ForbiddenError,
            id="outside the limits",
        ),
    ],
)
async def test_a_request_that_cannot_be_served_says_why(
    client: Client,
    replica: Replica,
    operation: AnyOperation,
    request_type: Callable[..., Request],
    fields: dict[str, Any],
    error: type[GroveError],
) -> None:
    endpoint = (await client.new_endpoint(await client.new_version())).endpoint_id

    refused = await client.refused(operation, request_type(endpoint_id=endpoint, **fields))

    assert type(refused) is error
    assert refused.reason_phrase


@pytest.mark.parametrize(
    "name", ["nobody", "a/b", "$where", "*", ">", "x" * 5000, "\x00", "tree\n17", "{}", "größe", ""]
)
async def test_a_hostile_endpoint_id_is_not_found(client: Client, replica: Replica, name: str) -> None:
    for operation, request in (
        (epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=name)),
        (epr.GET_METADATA, epr.GetMetadata(endpoint_id=name)),
        (epr.PUT_METADATA, epr.PutMetadata(endpoint_id=name, payload=b"{}")),
        (epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=name)),
    ):
        assert isinstance(await client.refused(operation, request), NotFoundError)


async def configure(
    client: Client, version: str, service: str, own: Json, *, at_version: bool = True
) -> None:
    application = version.rpartition("-")[0]
    placed = {"versions": {version: own}} if at_version else own
    await client.ask(
        tekton.PUT_APP_CONFIG,
        tekton.PutAppConfig(
            application_name=application,
            service_instance_name=service,
            version_name=version if at_version else None,
            body={service: {"kaa": {"applications": {application: placed}}}},
        ),
    )


async def test_a_whitelist_is_felt_by_every_replica(client: Client, start: NewReplica) -> None:
    replicas = [await start(), await start()]
    await client.listen(CONFIGURATION_UPSERTED)
    version = await client.new_version()
    endpoint = (await client.new_endpoint(version, metadata={"a": 1, "b": 2})).endpoint_id
    for _ in range(20):
        await client.device(version, endpoint, "/get")

    await configure(client, version, "epmx", {"metadata-keys": {"a": {}}})

    async def limited() -> bool:
        seen = [await client.device(version, endpoint, "/get") for _ in range(20)]
        return set(seen) == {b'{"a":1}'}

    await eventually(limited, what="a whitelist felt everywhere")
    await configure(client, version, "epmx", {})
    await eventually(
        lambda: _all_see(client, version, endpoint, {"a": 1, "b": 2}), what="no whitelist anywhere"
    )
    assert len(replicas) == 2


async def _all_see(client: Client, version: str, endpoint: str, expected: Json) -> bool:
    seen = [json.loads(await client.device(version, endpoint, "/get")) for _ in range(20)]
    return all(each == expected for each in seen)


async def test_a_version_resolves_to_application_and_extensions(client: Client, replica: Replica) -> None:
    version = await client.new_version()
    asked = AppVersionRequest(app_version_name=version)

    everything = await client.ask(RESOLVE_APP_VERSION, asked)
    await configure(client, version, "kpc", {"allowed-extension-instances": ["epmx"]}, at_version=False)
    limited = await client.ask(RESOLVE_APP_VERSION, asked)
    unknown = await client.refused(RESOLVE_APP_VERSION, AppVersionRequest(app_version_name=f"{version}9"))

    assert (everything.application_name, everything.extensions) == (version.rpartition("-")[0], None)
    assert limited.extensions == ("epmx",)
    assert isinstance(unknown, NotFoundError)


async def test_an_application_with_endpoints_is_removed_by_force_alone(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()
    application = version.rpartition("-")[0]
    await client.new_endpoint(version)

    refused = await client.refused(
        tekton.DELETE_APPLICATION, tekton.DeleteApplication(application_name=application)
    )
    await client.ask(
        tekton.DELETE_APPLICATION, tekton.DeleteApplication(application_name=application, force=True)
    )

    assert isinstance(refused, ConflictError)
    assert not credentials.tokens
    assert (await client.ask(tekton.LIST_APPLICATIONS, tekton.ListApplications())).body == []


async def test_keys_in_use_are_told_by_version(client: Client, replica: Replica) -> None:
    version = await client.new_version()
    for number in range(3):
        await client.new_endpoint(version, metadata={"common": 1, f"k{number}": {"$deep.er": 1}})

    keys = await client.ask(
        epr.APPLICATION_METADATA_KEYS,
        epr.ApplicationMetadataKeys(application_name=version.rpartition("-")[0]),
    )

    assert keys.body == {version: ["common", "k0", "k1", "k2"]}


FIGS_ONLY = ("figs",)


@pytest.mark.parametrize(
    ("operation", "request_type", "fields"),
    [
        pytest.param(
            tekton.CREATE_APPLICATION,
            tekton.CreateApplication,
            {"body": tekton.NewApplication()},
            id="create-application",
        ),
        pytest.param(tekton.GET_APPLICATION, tekton.GetApplication, {}, id="get-application"),
        pytest.param(
            tekton.UPDATE_APPLICATION,
            tekton.UpdateApplication,
            {"body": tekton.DisplayChange()},
            id="update-application",
        ),
        pytest.param(
            tekton.DELETE_APPLICATION, tekton.DeleteApplication, {"force": True}, id="delete-application"
        ),
        pytest.param(tekton.LIST_VERSIONS, tekton.ListVersions, {}, id="list-versions"),
        pytest.param(
            tekton.CREATE_VERSION,
            tekton.CreateVersion,
            {"body": tekton.NewAppVersion(name_suffix="x")},
            id="create-version",
        ),
        pytest.param(tekton.GET_VERSION, tekton.GetVersion, {}, id="get-version"),
        pytest.param(
            tekton.UPDATE_VERSION, tekton.UpdateVersion, {"body": tekton.DisplayChange()}, id="update-version"
        ),
        pytest.param(tekton.DELETE_VERSION, tekton.DeleteVersion, {}, id="delete-version"),
        pytest.param(
            tekton.GET_APP_CONFIG, tekton.GetAppConfig, {"service_instance_name": "epmx"}, id="get-config"
        ),
        pytest.param(
            tekton.PUT_APP_CONFIG,
            tekton.PutAppConfig,
            {"service_instance_name": "epmx", "body": {}},
            id="put-config",
        ),
        pytest.param(
            tekton.PATCH_APP_CONFIG,
            tekton.PatchAppConfig,
            {"service_instance_name": "epmx", "body": {}},
            id="patch-config",
        ),
        pytest.param(epr.CREATE_ENDPOINT, epr.CreateEndpoint, {}, id="create-endpoint"),
        pytest.param(epr.LIST_ENDPOINTS, epr.ListEndpoints, {}, id="list-endpoints"),
        pytest.param(epr.GET_ENDPOINT, epr.GetEndpoint, {}, id="get-endpoint"),
        pytest.param(epr.DELETE_ENDPOINT, epr.DeleteEndpoint, {}, id="delete-endpoint"),
        pytest.param(epr.GET_ENDPOINT_VERSION, epr.GetEndpointVersion, {}, id="get-app-version"),
        pytest.param(
            epr.PUT_ENDPOINT_VERSION,
            epr.PutEndpointVersion,
            {"body": epr.AppVersionRef("olives-v1")},
            id="put-app-version",
        ),
        pytest.param(epr.GET_METADATA, epr.GetMetadata, {}, id="get-metadata"),
        pytest.param(epr.PUT_METADATA, epr.PutMetadata, {"payload": b"{}"}, id="put-metadata"),
        pytest.param(epr.PATCH_METADATA, epr.PatchMetadata, {"payload": b"[]"}, id="patch-metadata"),
        pytest.param(epr.GET_METADATA_KEY, epr.GetMetadataKey, {"key": "a"}, id="get-key"),
        pytest.param(epr.PUT_METADATA_KEY, epr.PutMetadataKey, {"key": "a", "payload": b"2"}, id="put-key"),
        pytest.param(epr.DELETE_METADATA_KEY, epr.DeleteMetadataKey, {"key": "a"}, id="delete-key"),
        pytest.param(epr.LIST_METADATA_KEYS, epr.ListMetadataKeys, {}, id="list-keys"),
        pytest.param(
            epr.APPLICATION_METADATA_KEYS, epr.ApplicationMetadataKeys, {}, id="keys-of-application"
        ),
    ],
)
async def test_a_limited_key_can_do_nothing_elsewhere(
    client: Client,
    replica: Replica,
    operation: AnyOperation,
    request_type: Callable[..., Request],
    fields: dict[str, Any],
) -> None:
    version = await client.new_version()
    created = await client.new_endpoint(version, metadata={"a": 1})
    known = {
        "application_name": version.rpartition("-")[0],
        "version_name": version,
        "endpoint_id": created.endpoint_id,
        "body": epr.NewEndpoint(app_version=epr.AppVersionRef(version)),
    }
    taken = set(request_type.__struct_fields__)  # type: ignore[attr-defined]  # it is a Struct
    limited = {name: value for name, value in known.items() if name in taken}
    if operation is epr.LIST_ENDPOINTS:
        del limited["endpoint_id"]

    refused = await client.refused(operation, request_type(**limited | fields, applications=FIGS_ONLY))

    assert type(refused) is ForbiddenError
    left = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(include=("metadata",)))
    assert [each.metadata for each in left.body.content] == [{"a": 1}]
