"""One network connection, seen from the server: bytes in, events and bytes out.

Nothing here reads a socket or a clock. Whoever does calls ``receive_data``, then ``events_received``,
acts on the events, and writes ``data_to_send`` after any call. States and their order are drawn in
README.md; what packets do once the client was accepted is in
:mod:`libs.mqtt.exchange`, the hot path in :mod:`libs.mqtt.publishing` and :mod:`libs.mqtt.acknowledging`.
"""

import enum
from collections.abc import Iterable

from libs.mqtt.codes import PacketType, ProtocolVersion, ReasonCode, return_code
from libs.mqtt.connecting import UnsupportedLevelError, connack, granted, read_connect, read_version
from libs.mqtt.errors import ProtocolError, malformed
from libs.mqtt.events import ConnectReceived, Disconnected, Event
from libs.mqtt.exchange import Exchange
from libs.mqtt.fields import Reader
from libs.mqtt.framing import Frame, InputBuffer
from libs.mqtt.limits import Limits
from libs.mqtt.outgoing import Message
from libs.mqtt.state import SessionState

_V3_1, _V5 = ProtocolVersion.MQTT_3_1, ProtocolVersion.MQTT_5
_PUBLISH = int(PacketType.PUBLISH)
_CONNECT_HEAD = PacketType.CONNECT << 4
_GRACE = 1.5


class _Phase(enum.Enum):
    CONNECT = enum.auto()  # nothing but CONNECT may come
    ASKED = enum.auto()  # the owner decides; packets behind CONNECT wait
    CONNECTED = enum.auto()
    CLOSED = enum.auto()


class Session:
    """The server's side of one connection.

    Attributes:
        version: What the client speaks; 3.1.1 until CONNECT said so.
        client_id: From CONNECT, or as assigned.
        blocked: Packets wait for acknowledgements (or for ``accept``): do not read the socket, and call
            ``events_received`` again after acknowledging.
        close_reason: Why ``closing``, for the log; holds nothing the client sent.
    """

    __slots__ = (
        "_connect",
        "_deadline",
        "_exchange",
        "_input",
        "_keep_alive_s",
        "_limits",
        "_now",
        "_out",
        "_paused_at",
        "_phase",
        "blocked",
        "client_id",
        "close_reason",
        "version",
    )

    def __init__(self, limits: Limits, *, now: float) -> None:
        self._limits = limits
        self._input = InputBuffer()
        self._out: list[bytes] = []
        self._phase = _Phase.CONNECT
        self._now = now
        self._deadline: float | None = now + limits.connect_s
        self._keep_alive_s = 0.0
        self._paused_at: float | None = None
        self._connect: ConnectReceived | None = None
        self._exchange: Exchange | None = None
        self.version = ProtocolVersion.MQTT_3_1_1
        self.client_id = ""
        self.blocked = False
        self.close_reason: str | None = None

    # --- what the network does ---------------------------------------------------------------------

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Take bytes from the socket; call ``events_received`` next."""
        self._now = now
        if self._phase is not _Phase.CLOSED:
            self._input.add(bytes(data))
            if self._phase is _Phase.ASKED:
                self._bound_early()

    def events_received(self) -> list[Event]:
        """Parse what there is room for; call ``data_to_send`` next, it may hold answers."""
        events: list[Event] = []
        try:
            self._parse(events)
        except UnsupportedLevelError as error:
            self._out.append(error.answer)
            self._close(str(error))
        except ProtocolError as error:
            self._fail(error)
        return events

    def data_to_send(self) -> bytes:
        """Take what is to be written to the socket."""
        if not self._out:
            return b""
        data = b"".join(self._out) if len(self._out) > 1 else self._out[0]
        self._out.clear()
        return data

    def next_timeout(self) -> float | None:
        """When to call ``handle_timeout``, in the seconds of ``now``; None for never."""
        return None if self._paused_at is not None and self.connected else self._deadline

    def handle_timeout(self, now: float) -> None:
        """Close if it is too late for CONNECT, or for the keep-alive [MQTT-3.1.2-24]."""
        deadline = self.next_timeout()
        if deadline is None or now < deadline or self.closing:
            return
        if self.connected:
            self._goodbye(ReasonCode.KEEP_ALIVE_TIMEOUT, "nothing came for one and a half keep-alives")
        else:
            self._close("no CONNECT came in time")

    def pause(self, now: float) -> None:
        """Stop the keep-alive clock: the socket is not read (delivery.md rule 14)."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, now: float) -> None:
        """Start it again, as much time being left as there was."""
        if self._paused_at is not None:
            if self._deadline is not None and self.connected:
                self._deadline += max(now - self._paused_at, 0.0)
            self._paused_at = None

    # --- what the owner decides --------------------------------------------------------------------

    def accept(
        self,
        *,
        state: SessionState | None,
        assigned_client_id: str | None = None,
        keep_alive_s: int | None = None,
        session_expiry_s: int | None = None,
        now: float | None = None,
    ) -> None:
        """Answer CONNECT; session present = a state was given. Then call ``events_received`` again.

        Args:
            state: What the client's last connection left, None for a new session.
            assigned_client_id: For a client that has none; v5 is told.
            keep_alive_s: In place of the one the client wants; v5 is told, 3.x just gets it.
            session_expiry_s: The same for the expiry.
            now: Where the keep-alive begins, if not when CONNECT came.
        """
        connect = self._connect
        if connect is None or self._phase is not _Phase.ASKED:
            return
        self._connect = None
        self.client_id = assigned_client_id or self.client_id
        wanted = connect.session_expiry_s if session_expiry_s is None else session_expiry_s
        expiry = min(wanted, self._limits.max_session_expiry_s)
        exchange = Exchange(state or SessionState(), connect, self._limits, expiry_s=expiry)
        answer = connack(
            self.version,
            ReasonCode.SUCCESS,
            present=state is not None and self.version is not _V3_1,  # 3.1 reserves the bit
            inner=granted(
                connect,
                self._limits,
                expiry_s=expiry,
                client_id=assigned_client_id,
                keep_alive_s=keep_alive_s,
            ),
        )
        if len(answer) > (connect.maximum_packet_size or len(answer)):  # [MQTT-3.1.2-24]
            self._close("the client takes no packet as large as CONNACK")
            return
        self._out.append(answer)
        self._phase = _Phase.CONNECTED
        self._exchange = exchange
        self.blocked = False
        self._now = self._now if now is None else now
        self._keep_alive_s = _GRACE * (connect.keep_alive_s if keep_alive_s is None else keep_alive_s)
        self._heard()

    def refuse(self, reason: ReasonCode) -> None:
        """Answer CONNECT with an error, which closes; what came behind it is dropped."""
        if self._phase is _Phase.ASKED:
            self._refuse(reason, f"refused: {reason.name}")

    def acknowledge(self, number: int, reason: ReasonCode = ReasonCode.SUCCESS) -> None:
        """Acknowledge a message; written in its turn. 3.x cannot show a reason and gets a plain answer."""
        if self._exchange is not None:
            self._write(self._exchange.line.acknowledge(number, reason, shows_reason=self.version is _V5))

    def acknowledge_many(self, numbers: Iterable[int]) -> None:
        """Acknowledge many with success; a batch from the front of the line, in order, is quickest."""
        if self._exchange is not None:
            self._write(self._exchange.line.acknowledge_many(numbers))

    def leave_out(self, number: int) -> None:
        """Never acknowledge this one and let later ones pass it (delivery.md rule 13)."""
        if self._exchange is not None:
            self._write(self._exchange.line.leave_out(number))

    def publish(  # noqa: PLR0913 - all of a message, and what becomes of it
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        owner: str | None = None,
        keep: bool = False,
        correlation_data: bytes | None = None,
        delivery: object | None = None,
    ) -> bool:
        """Send a message to the client, once, whatever filters match; False when it was dropped.

        Args:
            topic: Where to; not checked, it is one of ours or one the client sent.
            payload: What to send.
            qos: At most 1, and at most what the client's matching filters were granted.
            owner: Whose it is; with ``keep`` a next connection gets it only if it shows the same.
            keep: Keep it for that next connection while the client has not acknowledged it.
            correlation_data: Of the request this answers; 3.x cannot carry it.
            delivery: Comes back in ``Delivered`` when the client acknowledged.
        """
        if self._exchange is None or not self.connected:
            return False
        kept_for = owner if keep and self.session_expiry_s else None
        message = Message(topic, payload, correlation_data)
        data = self._exchange.sender.publish(message, qos=qos, kept_for=kept_for, delivery=delivery)
        self._write(data or b"")
        return data is not None

    def granted(self, topic: str, qos: int) -> int:
        """Say with which QoS a message of this topic would go out: no higher than the client asked for."""
        return qos if self._exchange is None else self._exchange.sender.granted(topic, qos)

    def show_owner(self, owner: str) -> None:
        """Send again what was kept for this owner: the connection showed its token (delivery.md rule 27)."""
        if self._exchange is not None and self.connected:
            self._write(self._exchange.sender.show_owner(owner))

    def disconnect(self, reason: ReasonCode) -> None:
        """Close; v5 is told why. Acknowledgements whose turn has come are already written before it."""
        if self._phase is _Phase.ASKED:
            self.refuse(reason)
        elif not self.closing:
            self._goodbye(reason, f"disconnected: {reason.name}")

    # --- what can be asked -------------------------------------------------------------------------

    @property
    def state(self) -> SessionState | None:
        """What may outlive the connection, from ``accept`` on; see ``session_expiry_s``."""
        return self._exchange.state if self._exchange is not None else None

    @property
    def session_expiry_s(self) -> int:
        """How long to keep ``state`` after the connection; 0 when it ends with it."""
        return self._exchange.expiry_s if self._exchange is not None else 0

    @property
    def outgoing_bytes(self) -> int:
        """QoS 1 messages to the client, in flight or queued."""
        return self._exchange.sender.size_bytes if self._exchange is not None else 0

    @property
    def held_bytes(self) -> int:
        """About what this connection holds in memory, for the budget of the process (delivery.md rule 15)."""
        if self._exchange is None:
            return self._input.size
        return self._input.size + self._exchange.size_bytes

    @property
    def unacknowledged(self) -> int:
        """Messages whose acknowledgement was not written, less those left out.

        Those acknowledged out of turn count until theirs comes: that is what bounds the line.
        """
        return self._exchange.line.unacknowledged if self._exchange is not None else 0

    @property
    def buffered_bytes(self) -> int:
        return self._input.size

    @property
    def connected(self) -> bool:
        return self._phase is _Phase.CONNECTED

    @property
    def closing(self) -> bool:
        """Write ``data_to_send``, then close the socket; nothing more is read."""
        return self._phase is _Phase.CLOSED

    # --- parsing -----------------------------------------------------------------------------------

    def _parse(self, events: list[Event]) -> None:
        source = self._input
        if self._phase is _Phase.CLOSED or self._phase is _Phase.ASKED:
            return
        source.gather()
        self.blocked = False
        began = source.size
        while (frame := self._next_frame(events)) is not None:
            source.at = frame.stop
            self._take(frame, events)
            if self._phase is not _Phase.CONNECTED:
                break
        if self.connected and source.size < began:
            self._heard()
        source.trim()

    def _next_frame(self, events: list[Event]) -> Frame | None:
        """Find the next packet that may be taken now, with the usual ones before it already taken."""
        source, exchange = self._input, self._exchange
        if exchange is None:
            self._check_first()
            return source.frame(largest=self._limits.connect_bytes, minimal=False)
        data, at = source.data, source.at
        if at < len(data) and data[at] >> 4 == _PUBLISH:
            source.at = exchange.publishes.run(data, at, len(data), events)
        frame = source.frame(largest=self._limits.maximum_packet_size, minimal=self.version is _V5)
        if frame is not None and exchange.must_wait(frame.head):
            self.blocked = True
            return None
        return frame

    def _check_first(self) -> None:
        """Refuse at its first byte what is not CONNECT [MQTT-3.1.0-1]: TLS and HTTP come here by mistake."""
        if self._input.size and self._input.data[self._input.at] != _CONNECT_HEAD:
            raise malformed("the first packet is not CONNECT")

    def _take(self, frame: Frame, events: list[Event]) -> None:
        reader = Reader(self._input.data, frame.start, frame.stop)
        if self._exchange is not None:
            answer = self._exchange.handle(frame.head, reader, events)
            if answer:
                self._out.append(answer)
            if events and type(events[-1]) is Disconnected:
                self._close("the client disconnected")
            return
        self.version = read_version(reader)
        self._phase = _Phase.ASKED  # from here on an error is answered with CONNACK
        self._connect = read_connect(reader, self.version)
        self.client_id = self._connect.client_id
        self._deadline = None
        events.append(self._connect)
        self._bound_early()

    def _bound_early(self) -> None:
        self.blocked = self._input.size >= self._limits.early_bytes

    def _heard(self) -> None:
        """Start the keep-alive anew: a whole packet came [MQTT-3.1.2-24]."""
        if self._keep_alive_s:
            self._deadline = max(self._now + self._keep_alive_s, self._deadline or 0.0)

    # --- closing -----------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if data and self._phase is _Phase.CONNECTED:
            self._out.append(data)

    def _fail(self, error: ProtocolError) -> None:
        """End a connection whose client broke the protocol [MQTT-4.8.0-1, MQTT5 4.13]."""
        if self._phase is _Phase.CONNECTED:
            self._goodbye(error.reason, error.text)
        elif self._phase is _Phase.ASKED:
            # 3.x has no return code for malformed packets: closed without a word [MQTT-3.1.4-1].
            answered = self.version is _V5 or error.reason is ReasonCode.CLIENT_IDENTIFIER_NOT_VALID
            self._refuse(error.reason if answered else None, error.text)
        else:
            self._close(error.text)

    def _refuse(self, reason: ReasonCode | None, text: str) -> None:
        if reason is not None:
            code = int(reason) if self.version is _V5 else return_code(reason)
            self._out.append(connack(self.version, code))
        self._close(text)

    def _goodbye(self, reason: ReasonCode, text: str) -> None:
        if self.version is _V5:
            self._out.append(bytes((PacketType.DISCONNECT << 4, 2, reason, 0)))
        self._close(text)

    def _close(self, text: str) -> None:
        self._phase = _Phase.CLOSED
        self.close_reason = text
        self.blocked = False
        self._deadline = None
        self._connect = None
        self._input.clear()
