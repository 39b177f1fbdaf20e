"""From HTTP to the owner and back."""

import json

import pytest

from libs.contracts import applications, endpoints
from libs.contracts.api_keys import Scope
from libs.contracts.endpoints import GetMetadata, MetadataReply, PutMetadata
from libs.contracts.errors import PreconditionFailedError
from services.api_gateway.gathering import MAX_MESSAGES
from services.api_gateway.routes import ROUTES
from tests.component.api_gateway.conftest import Gateway
from tests.support.api_gateway import body_of, route_id, target_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA = "/epr/api/v1/endpoints/tree-17/metadata"


class MetadataOwner:
    """Keeps one document under an entity tag."""

    def __init__(self) -> None:
        self.document = b"{}"
        self.revision = 1

    @property
    def e_tag(self) -> str:
        return f'"{self.revision}"'

    async def on_get(self, request: GetMetadata) -> MetadataReply:
        if request.if_none_match == self.e_tag:
            return MetadataReply(status_code=304, e_tag=self.e_tag)
        return MetadataReply(payload=self.document, e_tag=self.e_tag)

    async def on_put(self, request: PutMetadata) -> MetadataReply:
        if request.if_match not in {None, self.e_tag}:
            raise PreconditionFailedError("changed meanwhile")
        self.document = request.payload
        self.revision += 1
        return MetadataReply(e_tag=self.e_tag)


async def test_the_example_of_every_route_works(shared_gateway: Gateway) -> None:
    for route in (each for each in ROUTES if each.table is None):
        data, content_type = body_of(route)
        headers = {"Content-Type": content_type} if data else {}

        answer = await shared_gateway.call(route.method, target_of(route), data=data, headers=headers)

        assert answer.status == route.success, (route_id(route), answer.raw)
        if not route.from_caller and not route.live:  # "who am I" tells who it really is
            assert (answer.body if answer.raw else None) == route.response_example, route_id(route)
        assert ("Location" in answer.headers) == (route.success == 201), route_id(route)
        assert ("ETag" in answer.headers) == route.tells_e_tag, route_id(route)


async def test_every_get_answers_head_with_the_same_headers_and_no_body(shared_gateway: Gateway) -> None:
    for route in (each for each in ROUTES if each.method == "GET" and not each.live):
        got = await shared_gateway.call("GET", target_of(route))
        answer = await shared_gateway.call("HEAD", target_of(route))

        assert (answer.status, answer.raw) == (200, b""), route_id(route)
        assert answer.headers["Content-Length"] == got.headers["Content-Length"], route_id(route)


async def test_an_endpoint_is_created_as_kaa_clients_expect(shared_gateway: Gateway) -> None:
    body = {"appVersion": {"name": "olives-v1"}, "metadata": {"description": "an olive tree"}}

    answer = await shared_gateway.call("POST", "/epr/api/v1/endpoints", json=body)

    (asked,) = shared_gateway.owners.asked
    assert asked.body.app_version.name == "olives-v1"
    assert asked.body.metadata == {"description": "an olive tree"}
    assert answer.status == 201
    assert answer.headers["Location"] == "/epr/api/v1/endpoints/tree-17"
    assert answer.body.keys() == {"endpointId", "token", "status"}


async def test_curls_default_content_type_is_read_as_json(shared_gateway: Gateway) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await shared_gateway.call(
        "POST", "/tekton/api/v1/applications", data=b'{"name":"olives"}', headers=form
    )

    assert answer.status == 201


async def test_query_values_are_split_at_commas_and_trimmed(shared_gateway: Gateway) -> None:
    target = (
        "/epr/api/v1/endpoints?endpointId=a,%20b,&endpointId=c&include=metadata&limit=5&sort=-createdDate"
    )

    answer = await shared_gateway.call("GET", target)

    (asked,) = shared_gateway.owners.asked
    assert answer.status == 200
    assert asked.endpoint_id == ("a", "b", "c")
    assert asked.include == ("metadata",)
    assert (asked.limit, asked.offset, asked.sort) == (5, 0, "-createdDate")


async def test_what_kaa_has_and_we_ignore_is_told_in_a_header(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("GET", "/epr/api/v1/endpoints?tenantId=t&regex=r")

    assert answer.status == 200
    assert answer.headers["Grove-Ignored"] == "regex, tenantId"


async def test_metadata_passes_through_byte_by_byte(shared_gateway: Gateway) -> None:
    document = '{ "b": 1.50,  "a": "Ölbaum", "n": 9007199254740993 }'.encode()

    await shared_gateway.call("PUT", METADATA, data=document)

    (asked,) = shared_gateway.owners.asked
    assert asked.payload == document


async def test_a_metadata_value_is_bare_json(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("PUT", f"{METADATA}/model", data=b'"BFG 9000"')

    (asked,) = shared_gateway.owners.asked
    assert (answer.status, answer.raw) == (204, b"")
    assert (asked.key, asked.payload) == ("model", b'"BFG 9000"')


async def test_of_two_writers_with_the_same_entity_tag_one_gets_412(shared_gateway: Gateway) -> None:
    owner = MetadataOwner()
    shared_gateway.owners.on(endpoints.GET_METADATA, owner.on_get)
    shared_gateway.owners.on(endpoints.PUT_METADATA, owner.on_put)
    read = await shared_gateway.call("GET", METADATA)

    condition = {"If-Match": read.headers["ETag"]}
    first = await shared_gateway.call("PUT", METADATA, json={"a": 1}, headers=condition)
    second = await shared_gateway.call("PUT", METADATA, json={"a": 2}, headers=condition)

    assert (first.status, second.status) == (204, 412)
    assert second.message == "changed meanwhile"
    assert json.loads(owner.document) == {"a": 1}


async def test_unchanged_metadata_is_304_with_the_entity_tag(shared_gateway: Gateway) -> None:
    shared_gateway.owners.on(endpoints.GET_METADATA, MetadataOwner().on_get)

    answer = await shared_gateway.call("GET", METADATA, headers={"If-None-Match": '"1"'})

    assert (answer.status, answer.raw) == (304, b"")
    assert answer.headers["ETag"] == '"1"'


async def test_json_patch_needs_its_content_type(shared_gateway: Gateway) -> None:
    patch = json.dumps([{"op": "remove", "path": "/model"}]).encode()

    refused = await shared_gateway.call(
        "PATCH", METADATA, data=patch, headers={"Content-Type": "application/json"}
    )
    taken = await shared_gateway.call(
        "PATCH", METADATA, data=patch, headers={"Content-Type": "application/json-patch+json; charset=utf-8"}
    )

    assert (refused.status, taken.status) == (415, 204)
    assert refused.message == "the Content-Type must be application/json-patch+json"


async def test_odd_names_in_a_path_reach_the_owner_as_they_are(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("GET", "/tekton/api/v1/applications/a%2Fb%20%C3%B6%3F%25/app-versions")

    (asked,) = shared_gateway.owners.asked
    assert answer.status == 200
    assert asked.application_name == "a/b ö?%"


async def test_the_location_is_encoded_again(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call(
        "POST", "/tekton/api/v1/applications/a%2Fb/app-versions", json={"nameSuffix": "v1"}
    )

    assert answer.headers["Location"] == "/tekton/api/v1/applications/a%2Fb/app-versions/olives-v1"


async def test_the_configuration_of_an_application_is_asked_without_a_version(
    shared_gateway: Gateway,
) -> None:
    base = "/tekton/api/v1/app-configs/applications/olives"

    await shared_gateway.call("GET", f"{base}?serviceInstanceName=epmx")
    await shared_gateway.call("GET", f"{base}/app-versions/olives-v1?serviceInstanceName=kpc")

    of_application, of_version = shared_gateway.owners.asked
    assert (of_application.service_instance_name, of_application.version_name) == ("epmx", None)
    assert (of_version.service_instance_name, of_version.version_name) == ("kpc", "olives-v1")


async def test_the_owner_is_told_to_which_applications_the_key_is_limited(shared_gateway: Gateway) -> None:
    shared_gateway.owners.keys.add("limited", Scope.WRITE, applications=("olives", "figs"))

    await shared_gateway.call("GET", "/tekton/api/v1/applications", key="limited")
    await shared_gateway.call("GET", "/tekton/api/v1/applications")

    limited, unlimited = shared_gateway.owners.asked
    assert limited.applications == ("olives", "figs")
    assert unlimited.applications is None


async def test_who_am_i_asks_anew(shared_gateway: Gateway) -> None:
    before = shared_gateway.owners.keys.checks
    shared_gateway.owners.keys.add("mine", Scope.READ, name="planner", applications=("olives",))

    answer = await shared_gateway.call("GET", "/auth/api/v1/me", key="mine")

    assert answer.status == 200
    assert (answer.body["name"], answer.body["scope"]) == ("planner", "read")
    assert answer.body["applications"] == ["olives"]
    assert shared_gateway.owners.keys.checks - before == 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing changes"),
        pytest.param({"displayName": "Grove"}, id="one field"),
    ],
)
async def test_fields_left_out_of_a_patch_stay_out(shared_gateway: Gateway, body: dict[str, str]) -> None:
    answer = await shared_gateway.call("PATCH", "/tekton/api/v1/applications/olives", json=body)

    (asked,) = shared_gateway.owners.asked
    assert answer.status == 200
    assert isinstance(asked, applications.UpdateApplication)
    assert (asked.body.display_name == "Grove") == ("displayName" in body)


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        pytest.param(1, 200, id="one"),
        pytest.param(3, 200, id="several"),
        pytest.param(MAX_MESSAGES, 200, id="most"),
        pytest.param(MAX_MESSAGES + 1, 413, id="too many"),
    ],
)
async def test_a_list_in_several_messages_is_one_array(
    shared_gateway: Gateway, messages: int, status: int
) -> None:
    async def on_list(request: applications.ListApplications) -> applications.ApplicationsReply:
        number = int(request.after or "1")
        entry = applications.Application(f"a{number}", "", "", "", "")
        following = str(number + 1) if number < messages else ""
        return applications.ApplicationsReply(body=[entry], next=following)

    shared_gateway.owners.on(applications.LIST_APPLICATIONS, on_list)

    answer = await shared_gateway.call("GET", "/tekton/api/v1/applications")

    assert answer.status == status
    if status == 200:
        names = [entry["name"] for entry in json.loads(answer.raw)]
        assert names == [f"a{number}" for number in range(1, messages + 1)]
