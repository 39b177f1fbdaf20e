from typing import Any

import pytest

from libs.contracts.errors import BadRequestError, ForbiddenError, PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.configuration import (
    check_service_name,
    extensions_of,
    unwrapped,
    wrapped,
)
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from tests.support.rest import Json

OLIVES = ApplicationName("olives")
V1 = AppVersionName("olives-v1")


def envelope(service: str, own: Json) -> dict[str, Any]:
    return {service: {"kaa": {"applications": {"olives": own}}}}


@pytest.mark.parametrize("version", [pytest.param(None, id="application"), pytest.param(V1, id="version")])
def test_what_is_wrapped_is_unwrapped(version: AppVersionName | None) -> None:
    configuration: dict[str, Json] = {"metadata-keys": {"model": {"write-enabled": True}, "mac": {}}}

    body = wrapped(configuration, service="epmx", application=OLIVES, version=version)

    assert unwrapped(body, service="epmx", application=OLIVES, version=version) == configuration


@pytest.mark.parametrize(
    ("service", "body", "path"),
    [
        pytest.param("epmx", [], "$:", id="no object"),
        pytest.param("epmx", {}, "$:", id="empty"),
        pytest.param("epmx", envelope("kpc", {}), "$:", id="another service"),
        pytest.param(
            "epmx", {"epmx": {"kaa": {"applications": {"figs": {}}}}}, "$.epmx.kaa.applications:", id="app"
        ),
        pytest.param(
            "epmx", envelope("epmx", {"x": 1}), "applications.olives: unknown field 'x'", id="unknown field"
        ),
        pytest.param(
            "epmx", envelope("epmx", {"metadata-keys": []}), "olives.metadata-keys:", id="list of keys"
        ),
        pytest.param(
            "epmx",
            envelope("epmx", {"metadata-keys": {"a-b": {}}}),
            "olives.metadata-keys: metadata key",
            id="key",
        ),
        pytest.param("epmx", envelope("epmx", {"metadata-keys": {"a": 1}}), "metadata-keys.a:", id="rule"),
        pytest.param(
            "epmx",
            envelope("epmx", {"metadata-keys": {"a": {"write-enabled": 1}}}),
            "a.write-enabled:",
            id="flag",
        ),
        pytest.param(
            "epmx",
            envelope("epmx", {"metadata-keys": {"a": {"writable": True}}}),
            "keys.a: unknown",
            id="typo",
        ),
        pytest.param(
            "kpc",
            envelope("kpc", {"allowed-extension-instances": "dcx"}),
            "allowed-extension-instances:",
            id="text",
        ),
        pytest.param(
            "kpc",
            envelope("kpc", {"allowed-extension-instances": ["dcx", "nope"]}),
            "instances[1]:",
            id="extension",
        ),
        pytest.param(
            "kpc",
            envelope("kpc", {"allowed-extension-instances": ["dcx", "dcx"]}),
            "instances[1]:",
            id="twice",
        ),
        pytest.param("other", envelope("other", {"versions": {}}), "olives.versions:", id="versions inside"),
        pytest.param("other", envelope("other", {"n": 2**64}), "n: integer", id="beyond int64"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_path(service: str, body: Json, path: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        unwrapped(body, service=service, application=OLIVES, version=None)

    assert path in caught.value.reason_phrase


def test_a_configuration_of_another_service_is_kept_as_it_is() -> None:
    own = {"anything": [{"$goes": {"a.b": None}}]}

    assert unwrapped(envelope("bcx", own), service="bcx", application=OLIVES, version=None) == own


def test_a_huge_configuration_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError):
        unwrapped(envelope("bcx", {"a": "x" * 300_000}), service="bcx", application=OLIVES, version=None)


@pytest.mark.parametrize("name", ["", "Epmx", "a.b", "a/b", "x" * 65])
def test_a_service_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(BadRequestError):
        check_service_name(name)


@pytest.mark.parametrize(
    ("configuration", "extensions"),
    [
        pytest.param(None, None, id="none configured"),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"allowed-extension-instances": ["dcx", "bcx"]}, ("dcx", "bcx"), id="a list"),
        pytest.param({"allowed-extension-instances": []}, (), id="an empty list"),
    ],
)
def test_extensions_are_all_unless_listed(configuration: Json, extensions: tuple[str, ...] | None) -> None:
    assert extensions_of(configuration) == extensions


def test_without_a_whitelist_everything_is_allowed() -> None:
    open_list = whitelist_of(None)

    open_list.check_readable(["anything"])
    open_list.check_writable(["anything"])
    assert open_list.visible({"a": 1}) == {"a": 1}


def test_a_listed_key_is_readable_and_writable_only_if_it_says_so() -> None:
    limits = whitelist_of({"metadata-keys": {"mac": {}, "model": {"write-enabled": True}}})

    limits.check_readable(["mac", "model"])
    limits.check_writable(["model"])
    assert limits.visible({"mac": 1, "secret": 2}) == {"mac": 1}
    with pytest.raises(ForbiddenError):
        limits.check_writable(["model", "mac"])
    with pytest.raises(ForbiddenError):
        limits.check_readable(["secret"])


def test_a_refusal_names_at_most_a_few_keys() -> None:
    with pytest.raises(ForbiddenError) as caught:
        Whitelist({}).check_writable([f"k{number}" for number in range(1000)])

    assert caught.value.reason_phrase.endswith("and 995 more")
