"""What other services can rely on: events on NATS, readable with the observer's credentials of ready.json."""

from collections.abc import AsyncIterator

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tests.support.rest import Json, Operator
from tests.support.stack import Stack
from tests.support.waiting import eventually


class Heard:
    """Events as they came, decoded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Json]] = []

    async def of(self, endpoint_id: str, *kinds: str) -> list[Json]:
        """Wait until each kind of event was heard about an endpoint; returns them in order of arrival."""

        async def complete() -> list[Json]:
            about = [(kind, event) for kind, event in self.events if event.get("endpointId") == endpoint_id]
            return [event for _, event in about] if {kind for kind, _ in about} >= set(kinds) else []

        return await eventually(complete, what=f"{kinds} of {endpoint_id}", deadline_s=5)


@pytest.fixture
async def observer(suite: Stack) -> AsyncIterator[Client]:
    client = await nats.connect(suite.nats, inbox_prefix=b"_INBOX_observer")
    yield client
    await client.close()


@pytest.fixture
async def heard(observer: Client) -> Heard:
    heard = Heard()

    async def hear(message: Msg) -> None:
        heard.events.append((message.subject.rpartition(".")[2], msgspec.msgpack.decode(message.data)))

    await observer.subscribe("grove.v1.events.>", cb=hear)
    await observer.flush()
    return heard


async def test_life_of_an_endpoint_is_told(rest: Operator, heard: Heard) -> None:
    twin = await rest.new_twin(metadata={"a": 1, "b": "x"})
    await twin.post("epmx/<token>/update", {"a": 2, "c": None})
    await rest.done("DELETE", f"/epr/api/v1/endpoints/{twin.endpoint_id}")

    await heard.of(twin.endpoint_id, "registered", "updated", "unregistered", "revoked", "status-changed")

    # At least once: an event may be told again, but it is the same event.
    changes = [event for kind, event in heard.events if kind == "updated"]
    changed, *repeated = [change for change in changes if change["endpointId"] == twin.endpoint_id]
    assert {change["eTag"] for change in repeated} <= {changed["eTag"]}
    assert changed["appVersionName"] == twin.app_version
    assert changed["removed"] == {"b": '"x"'}
    assert changed["added"] == {"c": None}
    assert changed["updated"] == {"a": {"newValue": "2", "oldValue": "1"}}
    assert changed["originatorReplicaId"].startswith("endpoint-register-")
    kinds = [kind for kind, event in heard.events if event.get("endpointId") == twin.endpoint_id]
    assert kinds.index("registered") < kinds.index("updated") < kinds.index("unregistered")


async def test_events_never_hold_a_token(rest: Operator, heard: Heard) -> None:
    twin = await rest.new_twin(endpointToken="very-secret-serial")
    await rest.set_status(twin, await rest.only_token(twin), "Revoked")

    await heard.of(twin.endpoint_id, "registered", "revoked")

    assert "very-secret-serial" not in repr(heard.events)


async def test_a_kept_event_names_itself_also_to_a_queue_group(rest: Operator, observer: Client) -> None:
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    await observer.subscribe("grove.v1.events.*.endpoint.lifecycle.registered", queue="mine", cb=hear)
    await observer.flush()
    twin = await rest.new_twin()

    async def registered() -> list[Msg]:
        return [msg for msg in heard if msgspec.msgpack.decode(msg.data)["endpointId"] == twin.endpoint_id]

    about = await eventually(registered, what="the endpoint is told of")

    assert len({(message.headers or {})["Nats-Msg-Id"] for message in about}) == 1


async def test_observer_may_neither_ask_nor_speak(observer: Client) -> None:
    with pytest.raises(NatsError):
        await observer.request("grove.v1.service.epmx.esp.ClientData", b"", timeout=0.5)
