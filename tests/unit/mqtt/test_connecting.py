"""CONNECT and CONNACK of the three versions, clause by clause [MQTT 3.1, 3.2]."""

import pytest

from libs.mqtt import ConnectReceived, ProtocolVersion
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1, V3_1_1, V5, Connect
from tests.support.mqtt_session import EACH, Driver, connected

EACH_V3 = pytest.mark.parametrize("version", [V3_1, V3_1_1], ids=["3.1", "3.1.1"])


@EACH
def test_connect_is_told_and_answered_only_when_accepted(version: int) -> None:
    driver = Driver()

    events = driver.send(Connect(version=version, keep_alive_s=30, username="u", password=b"p").encode())

    assert isinstance(events[0], ConnectReceived)
    assert (events[0].version, events[0].client_id, events[0].keep_alive_s) == (version, "device-1", 30)
    assert (events[0].username, events[0].password) == ("u", b"p")
    assert not driver.is_connected()
    assert driver.answers() == []

    driver.session.accept(state=None)

    assert [(answer.kind, answer.code) for answer in driver.answers()] == [(2, 0)]
    assert driver.session.connected
    assert driver.session.version is ProtocolVersion(version)
    assert driver.session.client_id == "device-1"


def test_an_event_shows_nothing_secret_in_a_log() -> None:
    (event,) = Driver().send(Connect(username="user-x", password=b"pass-x").encode())

    assert "-x" not in repr(event)


@pytest.mark.parametrize("first", [packets.PINGREQ, b"\x16\x03\x01", b"GET /", b"\x20\x00", b"\x00", b"\x11"])
def test_the_first_packet_must_be_connect(first: bytes) -> None:
    """[MQTT-3.1.0-1]; reserved flags of the fixed header [MQTT-2.2.2-2]."""
    driver = Driver()

    events = driver.send(first)

    assert events == []
    assert driver.session.closing
    assert driver.session.close_reason == "the first packet is not CONNECT"
    assert driver.answers() == []


@EACH
def test_a_second_connect_closes(version: int) -> None:
    """[MQTT-3.1.0-2]."""
    driver = connected(version)

    driver.send(Connect(version=version).encode())

    assert driver.session.closing
    assert [(a.kind, a.code) for a in driver.answers()] == ([(14, 0x82)] if version == V5 else [])


@pytest.mark.parametrize(
    ("name", "level", "answer"),
    [
        (b"MQTT", 3, b"\x20\x02\x00\x01"),
        (b"MQTT", 0, b"\x20\x02\x00\x01"),
        (b"MQIsdp", 4, b"\x20\x02\x00\x01"),
        (b"MQIsdp", 0x83, b"\x20\x02\x00\x01"),
        (b"MQTT", 0x84, b"\x20\x02\x00\x01"),
        (b"MQTT", 0x85, b"\x20\x02\x00\x01"),
        (b"MQTT", 6, b"\x20\x03\x00\x84\x00"),
        (b"MQTT", 127, b"\x20\x03\x00\x84\x00"),
        (b"MQTX", 4, b""),
        (b"", 4, b""),
        (b"MQTTX", 5, b""),
        (b"mqtt", 4, b""),
    ],
)
def test_other_levels_get_the_refusal_their_version_defines(name: bytes, level: int, answer: bytes) -> None:
    """[MQTT-3.1.2-1], [MQTT-3.1.2-2]; Mosquitto's bridge sets bit 0x80 of the level."""
    driver = Driver()

    events = driver.send(Connect(protocol=(name, level)).encode())

    assert events == []
    assert driver.session.data_to_send() == answer
    assert driver.session.closing


@pytest.mark.parametrize(
    ("flags", "clause"),
    [
        (0x03, "MQTT-3.1.2-3 reserved bit"),
        (0x0A, "MQTT-3.1.2-13 will QoS without a will"),
        (0x22, "MQTT-3.1.2-15 will retain without a will"),
        (0x1E, "MQTT-3.1.2-14 will QoS 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("version", [V3_1_1, V5], ids=["3.1.1", "5"])
def test_bad_connect_flags_close(version: int, flags: int, clause: str) -> None:
    driver = Driver()

    events = driver.send(Connect(version=version, flags=flags, will=("w", b"")).encode())

    assert events == []
    assert driver.session.closing, clause
    assert driver.session.data_to_send() == (b"\x20\x03\x00\x81\x00" if version == V5 else b"")


def test_3_1_does_not_use_the_reserved_flag() -> None:
    assert Driver().send(Connect(version=V3_1, flags=0x03).encode())


@EACH_V3
def test_a_password_without_a_user_name_closes(version: int) -> None:
    """[MQTT-3.1.2-22]."""
    driver = Driver()

    driver.send(Connect(version=version, password=b"p").encode())

    assert driver.session.closing
    assert driver.answers() == []


def test_v5_may_send_a_password_alone() -> None:
    (event,) = Driver().send(Connect(version=V5, password=b"p").encode())

    assert isinstance(event, ConnectReceived)
    assert (event.username, event.password) == (None, b"p")


def test_3_1_may_announce_a_name_it_does_not_send() -> None:
    """3.1, 3.1: the remaining length takes precedence over the user name flag."""
    (event,) = Driver().send(Connect(version=V3_1, flags=0xC2).encode())

    assert isinstance(event, ConnectReceived)
    assert event.username is None
    assert event.password is None


@EACH
def test_a_will_is_read_and_forgotten(version: int) -> None:
    (event,) = Driver().send(Connect(version=version, will=("last/words", b"bye"), username="u").encode())

    assert isinstance(event, ConnectReceived)
    assert event.has_will
    assert event.username == "u"


def test_v5_will_properties_are_read() -> None:
    values = [(0x18, packets.long(5)), (0x01, b"\x01"), (0x03, packets.text("t")), (0x08, packets.text("r"))]

    (event,) = Driver().send(Connect(version=V5, will=("w", b"x"), will_properties=values).encode())

    assert isinstance(event, ConnectReceived)
    assert event.has_will


@pytest.mark.parametrize(
    ("values", "topic", "code"),
    [([(0x21, packets.short(1))], "w", 0x82), ([], "a/#", 0x90), ([(0x08, packets.text("#"))], "w", 0x82)],
    ids=["property", "topic", "response-topic"],
)
def test_a_bad_will_is_refused(values: list[packets.Property], topic: str, code: int) -> None:
    driver = Driver()

    driver.send(Connect(version=V5, will=(topic, b"x"), will_properties=values).encode())

    assert [(a.kind, a.code) for a in driver.answers()] == [(2, code)]


@EACH
def test_an_empty_client_id_is_fine_with_a_clean_session(version: int) -> None:
    """[MQTT-3.1.3-6], [MQTT-3.1.3-7]."""
    (event,) = Driver().send(Connect(version=version, client_id="").encode())

    assert isinstance(event, ConnectReceived)
    assert not event.client_id


@EACH_V3
def test_3_x_without_client_id_and_clean_session_is_refused(version: int) -> None:
    """[MQTT-3.1.3-8], [MQTT-3.1.3-9]."""
    driver = Driver()

    driver.send(Connect(version=version, client_id="", clean=False).encode())

    assert driver.session.data_to_send() == b"\x20\x02\x00\x02"
    assert driver.session.closing


def test_v5_is_told_the_client_id_it_was_assigned() -> None:
    """[MQTT-3.2.2-16]."""
    driver = Driver()
    driver.send(Connect(version=V5, client_id="", clean=False).encode())

    driver.session.accept(state=None, assigned_client_id="auto-1")

    (connack,) = driver.answers()
    assert packets.read_properties(connack.body[2:])[0x12] == packets.text("auto-1")
    assert driver.session.client_id == "auto-1"


@EACH
def test_client_ids_longer_than_3_1_allows_are_taken(version: int) -> None:
    (event,) = Driver().send(Connect(version=version, client_id="x" * 200).encode())

    assert isinstance(event, ConnectReceived)
    assert len(event.client_id) == 200


@pytest.mark.parametrize(
    "client_id", [b"a\0b", b"\xff", b"\xed\xa0\x80"], ids=["nul", "not-utf-8", "surrogate"]
)
@EACH
def test_a_client_id_must_be_utf_8(version: int, client_id: bytes) -> None:
    """[MQTT-3.1.3-4], [MQTT-1.5.4-1], [MQTT-1.5.4-2]."""
    driver = Driver()

    driver.send(Connect(version=version, client_id=client_id).encode())

    assert driver.session.closing
    assert [(a.kind, a.code) for a in driver.answers()] == ([(2, 0x81)] if version == V5 else [])


@EACH
def test_a_connect_longer_or_shorter_than_its_fields_closes(version: int) -> None:
    """[MQTT-3.1.4-1]."""
    body = Connect(version=version, username="u").encode()[2:]
    for wrong in (body + b"x", body[:-1], body[:-3], body[:9]):
        driver = Driver()

        events = driver.send(packets.packet(0x10, wrong))

        assert events == [] or version == V3_1  # which may leave out what it announces
        assert driver.session.closing or version == V3_1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([(0x15, packets.text("SCRAM"))], 0x8C),
        ([(0x16, packets.binary(b"x"))], 0x8C),
        ([(0x21, packets.short(0))], 0x82),
        ([(0x27, packets.long(0))], 0x82),
        ([(0x17, b"\x02")], 0x82),
        ([(0x19, b"\x02")], 0x82),
        ([(0x11, packets.long(1)), (0x11, packets.long(1))], 0x82),
        ([(0x0B, b"\x01")], 0x82),
        ([(0x12, packets.text("x"))], 0x82),
        ([(0x7E, b"")], 0x81),
        ([(0x00, b"")], 0x81),
        ([(0x11, b"\x00")], 0x81),
    ],
    ids=[
        "authentication-method",
        "authentication-data",
        "receive-maximum-0",
        "maximum-packet-size-0",
        "problem-information-2",
        "response-information-2",
        "twice",
        "of-another-packet",
        "of-a-server",
        "unknown",
        "zero",
        "cut",
    ],
)
def test_bad_properties_are_refused_with_their_code(values: list[packets.Property], code: int) -> None:
    """[MQTT5 2.2.2], 3.1.2.11; [MQTT-4.12.0-1] for authentication."""
    driver = Driver()

    events = driver.send(Connect(version=V5, properties=values).encode())

    assert events == []
    assert [(a.kind, a.code) for a in driver.answers()] == [(2, code)]
    assert driver.session.closing


def test_good_properties_are_told() -> None:
    values = [
        (0x11, packets.long(60)),
        (0x21, packets.short(5)),
        (0x27, packets.long(1000)),
        (0x22, packets.short(3)),
        (0x17, b"\x00"),
        (0x19, b"\x01"),
        (0x26, packets.text("k") + packets.text("v")),
        (0x26, packets.text("k") + packets.text("v")),
    ]

    (event,) = Driver().send(Connect(version=V5, properties=values).encode())

    assert isinstance(event, ConnectReceived)
    assert (event.session_expiry_s, event.receive_maximum, event.maximum_packet_size) == (60, 5, 1000)
