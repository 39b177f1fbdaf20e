import json
from typing import Any

import pytest

from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
)
from libs.contracts.esp import ClientData
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.configuration import ConfigurationChange
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases.devices import answer
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

SEEN = {"description": "third row", "model": "BFG 9000", "n": 1.0}


@pytest.fixture
async def twin(new_twin: NewTwin) -> Endpoint:
    return await new_twin(dict(SEEN))


def request(twin: Endpoint, resource: str, payload: bytes = b"", *, version: str = "olives-v1") -> ClientData:
    return ClientData(app_version_name=version, endpoint_id=twin.id, resource_path=resource, payload=payload)


async def limit(world: World, keys: dict[str, Any]) -> None:
    await world.configurations.put(
        {"metadata-keys": keys},
        ConfigurationChange(
            service="epmx",
            application=ApplicationName("olives"),
            version=AppVersionName("olives-v1"),
            attempt="a",
        ),
    )


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"", SEEN, id="nothing"),
        pytest.param(b" \n", SEEN, id="white space"),
        pytest.param(b"{}", SEEN, id="empty object"),
        pytest.param(b'{"keys":["n","gone","model"]}', {"n": 1.0, "model": "BFG 9000"}, id="keys"),
        pytest.param(b'{"keys":[]}', {}, id="no keys"),
    ],
)
async def test_get_returns_what_is_asked_for(
    world: World, twin: Endpoint, payload: bytes, expected: dict[str, Any]
) -> None:
    answered = json.loads(await answer(request(twin, "/get", payload), parts=world.parts))

    assert answered == expected


async def test_numbers_keep_their_form(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"i": 1, "f": 1.0, "big": 2**63 - 1})

    assert (
        await answer(request(twin, "/get"), parts=world.parts) == b'{"i":1,"f":1.0,"big":9223372036854775807}'
    )


async def test_keys_are_sorted(world: World, twin: Endpoint) -> None:
    assert await answer(request(twin, "/get/keys", b"ignored"), parts=world.parts) == (
        b'["description","model","n"]'
    )


@pytest.mark.parametrize(
    ("resource", "payload", "expected"),
    [
        pytest.param("/update", b'{"model":"X"}', {"model": "X"}, id="replace"),
        pytest.param("/update", b'[{"model":"X"}]', {"model": "X"}, id="replace in an array"),
        pytest.param("/update/keys", b'{"model":{"a":[1]}}', SEEN | {"model": {"a": [1]}}, id="merge"),
        pytest.param("/update/keys", b'[{"mac":null}]', SEEN | {"mac": None}, id="merge in an array"),
        pytest.param("/update/keys", b"{}", SEEN, id="merge nothing"),
        pytest.param(
            "/delete/keys", b'["n","gone"]', {k: v for k, v in SEEN.items() if k != "n"}, id="delete"
        ),
    ],
)
async def test_a_write_answers_nothing_and_takes_effect(
    world: World, twin: Endpoint, resource: str, payload: bytes, expected: dict[str, Any]
) -> None:
    answered = await answer(request(twin, resource, payload), parts=world.parts)

    assert answered == b""
    assert world.metadata_of(twin.id) == expected


@pytest.mark.parametrize(
    ("resource", "payload", "error"),
    [
        pytest.param("/nothing", b"", NotFoundError, id="unknown resource"),
        pytest.param("", b"", NotFoundError, id="no resource"),
        pytest.param("/get/", b"", NotFoundError, id="slash at the end"),
        pytest.param("/get", b"[]", BadRequestError, id="get an array"),
        pytest.param("/get", b'{"keys":["a"],"x":1}', BadRequestError, id="get with another field"),
        pytest.param("/get", b'{"keys":["a","a"]}', BadRequestError, id="a key twice"),
        pytest.param("/get", b'{"keys":["a-b"]}', BadRequestError, id="no key name"),
        pytest.param("/get", b'{"keys":[1]}', BadRequestError, id="key that is no text"),
        pytest.param("/get", b'{"keys":"a"}', BadRequestError, id="keys that are no array"),
        pytest.param("/update", b"", BadRequestError, id="update with nothing"),
        pytest.param("/update", b"{}", BadRequestError, id="update without a property"),
        pytest.param("/update", b'{"a":1}{', BadRequestError, id="no JSON"),
        pytest.param("/update", b'{"a":1,"a":2}', BadRequestError, id="a member twice"),
        pytest.param("/update", b'{"a":"\xff"}', BadRequestError, id="no UTF-8"),
        pytest.param("/update", b'[{"a":1},{"b":2}]', BadRequestError, id="two objects"),
        pytest.param("/update", b"[[]]", BadRequestError, id="array in an array"),
        pytest.param("/update/keys", b"", BadRequestError, id="merge nothing at all"),
        pytest.param("/update/keys", b'{"$a":1}', BadRequestError, id="key with a dollar"),
        pytest.param("/update/keys", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", BadRequestError, id="deep"),
        pytest.param("/update/keys", b'{"a":"' + b"x" * 262_144 + b'"}', PayloadTooLargeError, id="large"),
        pytest.param(
            "/update/keys",
            json.dumps({f"k{n}": n for n in range(10_000)}).encode(),
            PayloadTooLargeError,
            id="ten thousand keys",
        ),
        pytest.param("/delete/keys", b"", BadRequestError, id="delete nothing at all"),
        pytest.param("/delete/keys", b"[]", BadRequestError, id="delete no key"),
        pytest.param("/delete/keys", b'["n","n"]', BadRequestError, id="delete a key twice"),
        pytest.param("/delete/keys", b'{"n":1}', BadRequestError, id="delete an object"),
    ],
)
async def test_what_is_not_understood_changes_nothing(
    world: World, twin: Endpoint, resource: str, payload: bytes, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await answer(request(twin, resource, payload), parts=world.parts)

    assert world.metadata_of(twin.id) == SEEN


async def test_a_whitelist_hides_the_rest(world: World, twin: Endpoint) -> None:
    await limit(world, {"model": {"write-enabled": True}, "n": {}, "absent": {}})

    assert json.loads(await answer(request(twin, "/get"), parts=world.parts)) == {
        "model": "BFG 9000",
        "n": 1.0,
    }
    assert await answer(request(twin, "/get/keys"), parts=world.parts) == b'["model","n"]'
    with pytest.raises(ForbiddenError):
        await answer(request(twin, "/get", b'{"keys":["description"]}'), parts=world.parts)


@pytest.mark.parametrize(
    ("resource", "payload"),
    [
        pytest.param("/update", b'{"model":"X","n":2}', id="replace"),
        pytest.param("/update/keys", b'{"n":2}', id="merge"),
        pytest.param("/update/keys", b'{"unlisted":2}', id="merge an unlisted key"),
        pytest.param("/delete/keys", b'["n"]', id="delete"),
    ],
)
async def test_a_key_that_is_not_writable_is_forbidden(
    world: World, twin: Endpoint, resource: str, payload: bytes
) -> None:
    await limit(world, {"model": {"write-enabled": True}, "n": {}})

    with pytest.raises(ForbiddenError):
        await answer(request(twin, resource, payload), parts=world.parts)

    assert world.metadata_of(twin.id) == SEEN


async def test_a_full_update_leaves_what_the_device_may_not_write(world: World, twin: Endpoint) -> None:
    await limit(world, {"model": {"write-enabled": True}, "mac": {"write-enabled": True}, "n": {}})

    await answer(request(twin, "/update", b'{"mac":"00"}'), parts=world.parts)

    assert world.metadata_of(twin.id) == {"description": "third row", "n": 1.0, "mac": "00"}


async def test_an_endpoint_of_another_application_is_not_found(world: World, twin: Endpoint) -> None:
    for resource, payload in (("/get", b""), ("/update/keys", b'{"a":1}')):
        with pytest.raises(NotFoundError):
            await answer(request(twin, resource, payload, version="figs-v1"), parts=world.parts)
