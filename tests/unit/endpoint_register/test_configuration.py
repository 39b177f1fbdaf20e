from typing import Any

import pytest

from libs.contracts.app_configs import Placed
from libs.contracts.errors import BadRequestError, ForbiddenError, PayloadTooLargeError
from services.endpoint_register.domain.configuration import (
    check_configuration,
    check_service_name,
    extensions_of,
)
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from tests.support.rest import Json


def at(document: Any) -> Placed:  # noqa: ANN401 - any JSON
    return Placed(application="olives", version=None, document=document, path="at")


@pytest.mark.parametrize(
    ("service", "document", "path"),
    [
        pytest.param("epmx", {"x": 1}, "at: unknown field 'x'", id="unknown field"),
        pytest.param("epmx", {"metadata-keys": []}, "at.metadata-keys: must be an object", id="list of keys"),
        pytest.param("epmx", {"metadata-keys": {"a-b": {}}}, "at.metadata-keys: metadata key", id="key"),
        pytest.param("epmx", {"metadata-keys": {"a": 1}}, "metadata-keys.a: must be an object", id="rule"),
        pytest.param(
            "epmx", {"metadata-keys": {"a": {"write-enabled": 1}}}, "a.write-enabled: must be true", id="flag"
        ),
        pytest.param("epmx", {"metadata-keys": {"a": {"writable": True}}}, "keys.a: unknown", id="typo"),
        pytest.param(
            "kpc", {"allowed-extension-instances": "dcx"}, "allowed-extension-instances: must be", id="text"
        ),
        pytest.param(
            "kpc", {"allowed-extension-instances": ["dcx", "nope"]}, "instances[1]: must be", id="extension"
        ),
        pytest.param(
            "kpc", {"allowed-extension-instances": ["dcx", "dcx"]}, "instances[1]: dcx is", id="twice"
        ),
        pytest.param("kpc", {"allowed-extension-instances": [["dcx"]]}, "instances[0]: must be", id="nested"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_path(service: str, document: Json, path: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        check_configuration(at(document), service=service)

    assert path in caught.value.reason_phrase


def test_a_configuration_of_another_service_is_kept_as_it_is() -> None:
    check_configuration(at({"anything": [{"$goes": {"a.b": None}}]}), service="bcx")


def test_a_huge_configuration_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError):
        check_configuration(at({"a": "x" * 300_000}), service="bcx")


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
