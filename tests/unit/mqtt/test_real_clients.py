"""paho and aiomqtt against a session: their real bytes under our parser, and ours under theirs.

A thread moves bytes between one socket and one session, accepts, and acknowledges what it is told.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from libs.mqtt import (
    ConnectReceived,
    Delivered,
    Disconnected,
    Event,
    Limits,
    PublishReceived,
    Session,
    Subscribed,
)

_DEADLINE_S = 10.0
VERSIONS = pytest.mark.parametrize(
    "version", [paho.MQTTv31, paho.MQTTv311, paho.MQTTv5], ids=["3.1", "3.1.1", "5"]
)


class Peer:
    """A session behind a listening socket, for one client."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.session = Session(Limits(), now=time.monotonic())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_DEADLINE_S)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, name="mqtt peer", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(_DEADLINE_S)
        # A client that closes before it has read all of our answers resets the connection.
        with connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while not self.session.closing and (data := connection.recv(65_536)):
                self.session.receive_data(data, now=time.monotonic())
                while events := self.session.events_received():
                    for event in events:
                        self._answer(event)
                    self.events += events
                connection.sendall(self.session.data_to_send())

    def _answer(self, event: Event) -> None:
        if isinstance(event, ConnectReceived):
            self.session.accept(state=None, assigned_client_id=None if event.client_id else "auto-1")
        elif isinstance(event, PublishReceived):
            if event.number:
                self.session.acknowledge(event.number)
            answer, data = event.response_topic or event.topic + "/status", event.correlation_data
            self.session.publish(
                answer, b"answer", qos=event.qos, correlation_data=data, delivery=event.payload
            )

    def close(self) -> None:
        self._thread.join(_DEADLINE_S)
        self._listener.close()
        assert not self._thread.is_alive()

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@contextmanager
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not look():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.005)


@VERSIONS
def test_paho_publishes_subscribes_and_hears(version: int) -> None:
    heard: list[paho.MQTTMessage] = []
    granted: list[object] = []
    with peer() as server:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="board", protocol=version)  # type: ignore[arg-type]  # paho names an enum and takes its own numbers
        client.username_pw_set("user", "secret")
        client.will_set("last", b"words", qos=1)
        client.on_message = lambda _c, _u, message: heard.append(message)
        client.on_subscribe = lambda _c, _u, _m, codes, _p: granted.extend(codes)
        client.connect("127.0.0.1", server.port, keepalive=30)
        client.loop_start()
        # Who does not wait for CONNACK is the matter of the component tests.
        until(client.is_connected)
        client.subscribe([("kp1/#", 2), ("other", 0)])
        sent = [client.publish("kp1/a/1", b"%d" % qos, qos=qos, retain=True) for qos in (0, 1, 2)]
        until(lambda: all(message.is_published() for message in sent) and len(heard) == 3)
        until(lambda: len(server.told(Delivered)) == 2)
        client.unsubscribe("other")
        client.disconnect()
        client.loop_stop()

    (connect,) = server.told(ConnectReceived)
    assert isinstance(connect, ConnectReceived)
    assert (connect.version, connect.username, connect.password) == (version, "user", b"secret")
    assert connect.has_will
    assert server.told(Subscribed) == [Subscribed((("kp1/#", 1), ("other", 0)))]
    assert [getattr(code, "value", code) for code in granted] == [1, 0]
    assert [message.qos for message in heard] == [0, 1, 1]
    assert {message.topic for message in heard} == {"kp1/a/1/status"}
    assert len(server.told(Disconnected)) == 1


def test_paho_5_uses_properties_and_aliases() -> None:
    heard: list[paho.MQTTMessage] = []
    with peer() as server:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.on_message = lambda _c, _u, message: heard.append(message)
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        connect.SessionExpiryInterval = 60
        connect.ReceiveMaximum = 10
        connect.UserProperty = ("a", "b")
        client.connect("127.0.0.1", server.port, properties=connect)
        values = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        values.ResponseTopic = "my/answers"
        values.CorrelationData = b"42"
        values.TopicAlias = 1
        client.publish("a/b", b"1", qos=1, properties=values)
        client.publish("a/b", b"2", qos=1, properties=values)
        client.loop_start()
        until(lambda: len(heard) == 2)
        goodbye = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        goodbye.SessionExpiryInterval = 5
        client.disconnect(properties=goodbye)
        client.loop_stop()

    assert [message.topic for message in heard] == ["my/answers"] * 2
    assert [getattr(message.properties, "CorrelationData", None) for message in heard] == [b"42"] * 2
    assert server.session.client_id == "auto-1"
    assert server.session.session_expiry_s == 5


@pytest.mark.parametrize(
    "version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"]
)
async def test_aiomqtt_publishes_and_hears(version: aiomqtt.ProtocolVersion) -> None:
    with peer() as server:
        async with asyncio.timeout(_DEADLINE_S):
            async with aiomqtt.Client("127.0.0.1", server.port, protocol=version) as client:
                await client.subscribe("kp1/#", qos=1)
                await client.publish("kp1/x", b"{}", qos=1)
                message = await anext(aiter(client.messages))

    assert (str(message.topic), message.payload, message.qos) == ("kp1/x/status", b"answer", 1)
