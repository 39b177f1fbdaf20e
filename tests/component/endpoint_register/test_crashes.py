"""What is left half done when a replica dies, and that another one finishes it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from libs.contracts import applications as tekton
from libs.contracts import endpoints as epr
from libs.contracts.errors import ConflictError, GroveError, NotFoundError, UnavailableError
from libs.contracts.ids import AppVersionName, EndpointId
from libs.contracts.lifecycle import METADATA_UPDATED, REGISTERED, UNREGISTERED
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.listing import Order, range_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.endpoints import create_endpoint, put_endpoint_version
from services.endpoint_register.usecases.removing import delete_endpoint
from tests.component.endpoint_register.conftest import Client, NewReplica, Replica, StandInCredentials
from tests.support.rest import Json

TREE = EndpointId("tree-17")


class DeadError(Exception):
    """The process is gone: nothing after this line happens."""


class Dying:
    """A port whose process dies in one of its methods, before or after that has taken effect."""

    def __init__(self, port: object, method: str, *, before: bool) -> None:
        self._port = port
        self._method = method
        self._before = before

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Json]]:
        method: Callable[..., Awaitable[Json]] = getattr(self._port, name)
        if name != self._method:
            return method

        async def die(*args: Json, **kwargs: Json) -> Json:
            if not self._before:
                await method(*args, **kwargs)
            raise DeadError

        return die


def dying(parts: Parts, port: str, method: str, *, before: bool) -> Parts:
    mortal: Json = {port: Dying(getattr(parts, port), method, before=before)}
    return replace(parts, **mortal)


@pytest.mark.parametrize("before", [pytest.param(True, id="before"), pytest.param(False, id="after")])
@pytest.mark.parametrize(
    ("port", "method"),
    [
        pytest.param("endpoints", "add", id="hiding"),
        pytest.param("credentials", "store_token", id="storing the token"),
        pytest.param("listing", "put", id="listing"),
        pytest.param("endpoints", "replace", id="showing"),
    ],
)
async def test_a_creation_that_dies_anywhere_is_whole_or_gone(
    client: Client, replica: Replica, credentials: StandInCredentials, port: str, method: str, *, before: bool
) -> None:
    version = await client.new_version()
    body = epr.NewEndpoint(app_version=epr.AppVersionRef(version), endpoint_id=TREE, endpoint_token="sn-17")
    with pytest.raises(DeadError):
        await create_endpoint(
            epr.CreateEndpoint(body=body), parts=dying(replica.parts, port, method, before=before)
        )

    await replica.sweeper().sweep()

    whole = (port, method, before) == ("endpoints", "replace", False)
    assert credentials.of(TREE) == (["sn-17"] if whole else [])
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints())
    assert [each.endpoint_id for each in page.body.content] == ([TREE] if whole else [])
    assert page.body.total_elements == (1 if whole else 0)
    if not whole:
        assert (await client.new_endpoint(version, endpoint_id=TREE, endpoint_token="sn-17")).token == "sn-17"


@pytest.mark.parametrize("before", [pytest.param(True, id="before"), pytest.param(False, id="after")])
@pytest.mark.parametrize(
    ("port", "method"),
    [
        pytest.param("changing", "change", id="hiding"),
        pytest.param("credentials", "delete_tokens", id="deleting tokens"),
        pytest.param("listing", "drop", id="unlisting"),
        pytest.param("events", "publish", id="telling"),
        pytest.param("endpoints", "remove", id="dropping"),
    ],
)
async def test_a_removal_that_dies_anywhere_is_finished_by_another(
    client: Client, replica: Replica, credentials: StandInCredentials, port: str, method: str, *, before: bool
) -> None:
    await client.listen(UNREGISTERED)
    await client.new_endpoint(await client.new_version(), endpoint_id=TREE)
    with pytest.raises(DeadError):
        await delete_endpoint(
            epr.DeleteEndpoint(endpoint_id=TREE), parts=dying(replica.parts, port, method, before=before)
        )
    begun = (port, before) != ("changing", True)

    seen = await client.refused(epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=TREE)) if begun else None
    await replica.sweeper().sweep()

    assert await replica.parts.endpoints.find(TREE) is None or not begun
    assert isinstance(seen, NotFoundError) is begun
    assert bool(credentials.of(TREE)) is not begun
    await client.until(lambda: bool(client.heard) is begun)


async def test_events_of_a_dead_replica_are_published_by_another(client: Client, start: NewReplica) -> None:
    await start(announcing=False)
    await client.listen(REGISTERED, METADATA_UPDATED)
    version = await client.new_version()
    endpoint = (await client.new_endpoint(version)).endpoint_id
    for number in range(3):
        await client.device(version, endpoint, "/update/keys", {"n": number})
    silence = list(client.heard)
    other = await start()

    await other.sweeper().sweep()
    await other.announcer.stop()

    assert silence == []
    await client.until(lambda: len(client.heard) == 4)
    assert [kind.name for kind, _ in client.heard] == ["registered", "updated", "updated", "updated"]
    assert client.heard[-1][1].updated["n"].new_value == "2"
    left = await other.parts.endpoints.find(EndpointId(endpoint), outbox=True)
    assert left is not None
    assert left.outbox == ()


async def test_two_replicas_that_publish_one_outbox_store_each_event_once(
    client: Client, start: NewReplica
) -> None:
    dead = await start(announcing=False)
    version = await client.new_version()
    endpoint = (await client.new_endpoint(version)).endpoint_id
    for number in range(20):
        await client.device(version, endpoint, "/update/keys", {"n": number})
    left = await dead.parts.endpoints.find(EndpointId(endpoint), outbox=True)
    assert isinstance(left, Endpoint)

    announced = [
        await client.bus.announce(
            entry.kind.subject(client.bus.subjects), entry.event(), msg_id=left.message_id(entry)
        )
        for entry in left.outbox
    ]
    others = [await start(), await start()]
    for other in others:
        other.announcer.offer(left)
    await asyncio.gather(*(other.announcer.stop() for other in others))
    last = await client.bus.announce(
        METADATA_UPDATED.subject(client.bus.subjects), left.outbox[-1].event(), msg_id="one-more"
    )

    assert last.sequence == announced[-1].sequence + 1


async def test_a_token_that_is_taken_leaves_nothing_behind(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()
    await client.new_endpoint(version, endpoint_token="sn-17")
    body = epr.NewEndpoint(app_version=epr.AppVersionRef(version), endpoint_id=TREE, endpoint_token="sn-17")

    refused = await client.refused(epr.CREATE_ENDPOINT, epr.CreateEndpoint(body=body))

    assert isinstance(refused, ConflictError)
    assert "sn-17" not in refused.reason_phrase
    assert await replica.parts.endpoints.find(TREE) is None
    assert len(credentials.tokens) == 1


async def test_a_forced_removal_of_a_full_application_is_finished_by_another(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()
    application = version.rpartition("-")[0]
    for _ in range(20):
        await client.new_endpoint(version)
    credentials.refusal = UnavailableError("away")
    removal = tekton.DeleteApplication(application_name=application, force=True)

    refused = await client.refused(tekton.DELETE_APPLICATION, removal)
    credentials.refusal = None
    await replica.sweeper().sweep()

    assert isinstance(refused, UnavailableError)
    assert not credentials.tokens
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints())
    assert page.body.total_elements == 0
    assert await replica.parts.applications.all(None) == []


async def new_mover(client: Client, *suffixes: str) -> str:
    """Make an application with these versions, and an endpoint at the first of them."""
    first = await client.new_version(suffixes[0])
    application = first.rpartition("-")[0]
    for suffix in suffixes[1:]:
        body = tekton.NewAppVersion(name_suffix=suffix)
        await client.ask(tekton.CREATE_VERSION, tekton.CreateVersion(application_name=application, body=body))
    await client.new_endpoint(first, endpoint_id=TREE)
    return application


async def listed_at(replica: Replica, application: str, *suffixes: str) -> list[str]:
    """Name the versions that list the endpoint, as the index has it: no reader repairs it here."""
    return [
        suffix
        for suffix in suffixes
        if await replica.parts.listing.count(
            range_of(Order.CREATED, descending=False, version=AppVersionName(f"{application}-{suffix}"))
        )
    ]


@pytest.mark.parametrize("before", [pytest.param(True, id="before"), pytest.param(False, id="after")])
async def test_a_move_that_dies_at_its_line_is_listed_by_another(
    client: Client, start: NewReplica, *, before: bool
) -> None:
    mover = await start(announcing=False)
    application = await new_mover(client, "v1", "v2")
    move = epr.PutEndpointVersion(endpoint_id=TREE, body=epr.AppVersionRef(f"{application}-v2"))
    with pytest.raises(DeadError):
        await put_endpoint_version(move, parts=dying(mover.parts, "listing", "put", before=before))
    left = await listed_at(mover, application, "v1", "v2")
    other = await start()

    await other.sweeper().sweep()
    await other.announcer.stop()

    assert left == ["v1" if before else "v2"]
    assert await listed_at(other, application, "v1", "v2") == ["v2"]


async def test_movers_of_several_replicas_leave_one_line_that_is_right(
    client: Client, start: NewReplica
) -> None:
    replicas = [await start() for _ in range(3)]
    suffixes = ("v1", "v2", "v3")
    application = await new_mover(client, *suffixes)

    await asyncio.gather(
        *(
            put_endpoint_version(
                epr.PutEndpointVersion(endpoint_id=TREE, body=epr.AppVersionRef(f"{application}-{suffix}")),
                parts=replica.parts,
            )
            for _ in range(5)
            for replica, suffix in zip(replicas, suffixes, strict=True)
        )
    )

    found = await replicas[0].parts.endpoints.find(TREE)
    assert found is not None
    assert await listed_at(replicas[0], application, *suffixes) == [found.version.rpartition("-")[2]]


async def test_a_removal_whose_tokens_cannot_go_is_not_told_and_finished_later(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    await client.listen(UNREGISTERED)
    await client.new_endpoint(await client.new_version(), endpoint_id=TREE, endpoint_token="sn-99")
    credentials.refusal = UnavailableError("away")

    with pytest.raises(GroveError):
        await client.ask(epr.DELETE_ENDPOINT, epr.DeleteEndpoint(endpoint_id=TREE))
    await asyncio.sleep(0.5)  # the announcer had all the time it takes to say what is not true yet
    told_too_early = client.names()
    credentials.refusal = None
    await replica.sweeper().sweep()

    assert told_too_early == []
    assert await replica.parts.endpoints.find(TREE) is None
    assert credentials.of(TREE) == []
    assert client.names() == ["unregistered"]
