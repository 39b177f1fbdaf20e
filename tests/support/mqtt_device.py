"""A device that speaks MQTT through paho, the library of Kaa's own examples; it subscribes to nothing.

paho runs in threads of its own, and what arrives is kept in order. Tests wait with :meth:`Device.answer`.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypedDict, Unpack

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

Transport = Literal["tcp", "websockets", "unix"]


class Device:
    """One client; made and ended by :func:`device`."""

    def __init__(self, client: paho.Client) -> None:
        self.client = client
        self.messages: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self.connects = 0
        self.disconnects: list[object] = []
        self.acknowledged: set[int] = set()
        self._changed = threading.Condition()
        client.on_message = self._on_message
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish

    def request(
        self,
        topic: str,
        payload: bytes | str = b"",
        *,
        qos: int = 1,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> int:
        """Publish; returns the packet id."""
        return self.client.publish(topic, payload, qos=qos, retain=retain, properties=properties).mid

    def answer(self, *, within_s: float = 5.0) -> paho.MQTTMessage:
        """Return the next message.

        Raises:
            queue.Empty: None came in time.
        """
        return self.messages.get(timeout=within_s)

    def ask(
        self,
        topic: str,
        payload: bytes | str = b"",
        *,
        qos: int = 1,
        properties: Properties | None = None,
    ) -> tuple[str, bytes]:
        """Publish, and return topic and payload of the next message."""
        self.request(topic, payload, qos=qos, properties=properties)
        return self.told()

    def told(self) -> tuple[str, bytes]:
        """Return topic and payload of the next message."""
        message = self.answer()
        return message.topic, bytes(message.payload)

    def wait_for(self, what: str, holds: Callable[[], bool], *, within_s: float = 5.0) -> None:
        """Wait until something about this device holds.

        Raises:
            TimeoutError: It does not in time.
        """
        with self._changed:
            if not self._changed.wait_for(holds, timeout=within_s):
                message = f"not within {within_s:g} s: {what}"
                raise TimeoutError(message)

    def wait_acknowledged(self, packet_id: int, *, within_s: float = 5.0) -> None:
        """Wait for the acknowledgement of a message."""
        self.wait_for(
            f"{packet_id} is acknowledged", lambda: packet_id in self.acknowledged, within_s=within_s
        )

    def silent(self, *, for_s: float = 0.3) -> bool:
        """Whether nothing arrives for a while."""
        try:
            self.messages.get(timeout=for_s)
        except queue.Empty:
            return True
        return False

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        self.messages.put(message)

    def _on_connect(self, *_: object) -> None:
        with self._changed:
            self.connects += 1
            self._changed.notify_all()

    def _on_disconnect(self, *arguments: object) -> None:
        with self._changed:
            self.disconnects.append(arguments[3])
            self._changed.notify_all()

    def _on_publish(self, _client: object, _userdata: object, mid: int, *_: object) -> None:
        with self._changed:
            self.acknowledged.add(mid)
            self._changed.notify_all()


class Options(TypedDict, total=False):
    """How a device connects.

    Attributes:
        version: Protocol level: 3, 4 (the default) or 5.
        client_id: Empty (the default) = the server's choice.
        transport: TCP or WebSocket.
        path: Of the WebSocket.
        tls_ca: Speak TLS and believe this certificate.
        clean: Clean session or clean start; the library's default when absent.
        keep_alive_s: Keep alive; 60 s when absent.
    """

    version: int
    client_id: str
    transport: Transport
    path: str
    tls_ca: str
    clean: bool
    keep_alive_s: int


@contextmanager
def device(port: int, **options: Unpack[Options]) -> Iterator[Device]:
    """Connect a device to a port of 127.0.0.1 and end it afterwards."""
    version = options.get("version", 4)
    transport = options.get("transport", "tcp")
    clean = options.get("clean")
    tls_ca = options.get("tls_ca")
    fields: dict[str, Any] = {"protocol": version, "transport": transport}
    if version < 5:
        fields["clean_session"] = True if clean is None else clean
    client = paho.Client(CallbackAPIVersion.VERSION2, options.get("client_id") or None, **fields)
    if transport == "websockets":
        client.ws_set_options(path=options.get("path", "/mqtt"))
    if tls_ca is not None:
        client.tls_set(ca_certs=tls_ca)
    made = Device(client)
    arguments: dict[str, Any] = {}
    if version == 5 and clean is not None:
        arguments["clean_start"] = clean
    client.connect("127.0.0.1", port, keepalive=options.get("keep_alive_s", 60), **arguments)
    client.loop_start()
    try:
        made.wait_for("connected", lambda: made.connects > 0)
        yield made
    finally:
        client.disconnect()
        client.loop_stop()
