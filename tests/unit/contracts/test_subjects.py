"""Subjects: protocol/bus.md."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts import (
    access,
    api_keys,
    credentials,
    ecap,
    endpoints,
    esp,
    lifecycle,
    senml_credentials,
)
from libs.contracts.streams import all_streams, events_stream
from libs.contracts.subjects import AnyOperation, Subjects, encode_token

_LEGAL = re.compile(r"[A-Za-z0-9_~%-]+")


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_becomes_one_legal_token(text: str) -> None:
    assert _LEGAL.fullmatch(encode_token(text))


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"), min_size=1))
def test_different_texts_become_different_tokens(one: str, other: str) -> None:
    assert (encode_token(one) == encode_token(other)) == (one == other)


def test_dots_and_wildcards_are_escaped() -> None:
    assert encode_token("a.b*>") == "a%2Eb%2A%3E"


def test_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        encode_token("")


@pytest.mark.parametrize("root", ["", ".", "a..b", "a.*", "a b", ">"], ids=ascii)
def test_root_that_is_no_subject_is_refused(root: str) -> None:
    with pytest.raises(ValueError, match="root"):
        Subjects(root)


def test_subjects_follow_the_kaa_grammar() -> None:
    subjects = Subjects("grove.v1")

    assert esp.EPMX.subject(subjects) == "grove.v1.service.epmx.esp.ClientData"
    assert subjects.replica("http-1", "esp", "ExtensionData") == "grove.v1.replica.http-1.esp.ExtensionData"
    assert subjects.push("00ff") == "grove.v1.replica.00ff.push"
    assert (
        lifecycle.METADATA_UPDATED.subject(subjects)
        == "grove.v1.events.endpoint-register.endpoint.metadata.updated"
    )


def test_events_stream_keeps_control_events_and_no_data_events() -> None:
    subjects = Subjects()
    kept = events_stream(subjects).subjects

    assert "grove.v1.events.*.endpoint.token.>" in kept
    assert "grove.v1.events.*.endpoint.senml-credential.>" in kept
    assert not [pattern for pattern in kept if "data-collection" in pattern]
    assert len({stream.name for stream in all_streams(subjects)}) == len(all_streams(subjects))


def test_stacks_with_different_roots_have_streams_of_their_own() -> None:
    assert events_stream(Subjects()).name == "EVENTS"
    assert events_stream(Subjects("other.v1")).name == "other_v1_EVENTS"


def _matches(pattern: str, subject: str) -> bool:
    escaped = re.escape(pattern).replace(r"\*", "[^.]+").replace(r"\>", ">").replace(">", ".+")
    return re.fullmatch(escaped, subject) is not None


@pytest.mark.parametrize(
    ("caller", "operation"),
    [
        pytest.param("http-transport", esp.EPMX, id="transport asks for metadata"),
        pytest.param("http-transport", ecap.VALIDATE_TOKEN, id="transport asks for a token"),
        pytest.param("mqtt-transport", ecap.VALIDATE_TOKENS, id="transport asks for many tokens"),
        pytest.param("api-gateway", endpoints.CREATE_ENDPOINT, id="gateway creates an endpoint"),
        pytest.param("http-transport", senml_credentials.DEVICE_SECRETS, id="HTTP verifies a device"),
        pytest.param("mqtt-transport", senml_credentials.DEVICE_SECRETS, id="MQTT verifies a device"),
        pytest.param("mqtt-transport", senml_credentials.ACTIVATE_DEVICE_SECRET, id="MQTT tells a first use"),
        pytest.param(
            "api-gateway", senml_credentials.CREATE_SENML_CREDENTIAL, id="gateway gives a device a secret"
        ),
    ],
)
def test_callers_may_publish_what_owners_may_hear(caller: str, operation: AnyOperation) -> None:
    users = {user.name: user for user in access.users()}
    subject = operation.subject(Subjects())
    owner = "endpoint-register" if operation.instance == "epmx" else operation.instance

    assert any(_matches(pattern, subject) for pattern in users[caller].publish)
    assert any(_matches(pattern, subject) for pattern in users[owner].subscribe)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(api_keys.CREATE_API_KEY, id="create an API key"),
        pytest.param(endpoints.LIST_ENDPOINTS, id="list endpoints"),
        pytest.param(credentials.SET_TOKEN_STATUS, id="revoke a token"),
        pytest.param(credentials.STORE_TOKEN, id="store a token"),
        pytest.param(senml_credentials.CREATE_SENML_CREDENTIAL, id="give a device a secret"),
        pytest.param(senml_credentials.SET_SENML_CREDENTIAL_STATUS, id="reactivate a device's secret"),
    ],
)
def test_transport_that_was_broken_into_cannot_do_what_operators_do(operation: AnyOperation) -> None:
    transport = next(user for user in access.users() if user.name == "http-transport")

    subject = operation.subject(Subjects())
    assert not any(_matches(pattern, subject) for pattern in transport.publish)
    assert transport.allow_responses is False


def test_gateway_cannot_do_what_only_services_do() -> None:
    gateway = next(user for user in access.users() if user.name == "api-gateway")

    for operation in (
        credentials.STORE_TOKEN,
        credentials.DELETE_ENDPOINT_TOKENS,
        ecap.VALIDATE_TOKEN,
        ecap.VALIDATE_TOKENS,
        senml_credentials.DEVICE_SECRETS,
        senml_credentials.ACTIVATE_DEVICE_SECRET,
    ):
        subject = operation.subject(Subjects())
        assert not any(_matches(pattern, subject) for pattern in gateway.publish)


def test_secrets_of_devices_are_told_to_transports_and_to_nobody_else() -> None:
    subject = senml_credentials.DEVICE_SECRETS.subject(Subjects())

    allowed = {user.name for user in access.users() if any(_matches(one, subject) for one in user.publish)}

    assert allowed == {"http-transport", "mqtt-transport"}


def test_observer_hears_events_and_says_nothing() -> None:
    observer = next(user for user in access.users() if user.name == access.OBSERVER)

    assert observer.subscribe == ("grove.v1.events.>",)
    assert observer.publish == ()
    assert observer.allow_responses is False


def test_no_service_may_hear_the_replies_of_another() -> None:
    users = access.users()

    for user in users:
        foreign = {access.inbox_prefix(other.name) for other in users if other is not user}
        assert not [pattern for pattern in user.subscribe if pattern.split(".")[0] in foreign]
        assert ">" not in user.subscribe


def test_gateway_reads_events_and_changes_nothing_of_them() -> None:
    gateway = next(user for user in access.users() if user.name == "api-gateway")

    asked = [pattern for pattern in gateway.publish if pattern.startswith("$JS.")]
    assert sorted(asked) == ["$JS.API.INFO", "$JS.API.STREAM.INFO.EVENTS", "$JS.API.STREAM.MSG.GET.EVENTS"]
    assert not any(pattern.startswith("grove.v1.events") for pattern in gateway.publish)
    assert gateway.allow_responses is False
