"""What is configured for time series lives as long as the application or version it is for."""

import secrets

import pytest

from tests.support.rest import Json, Operator
from tests.support.waiting import eventually

_APPLICATIONS = "/tekton/api/v1/applications"


@pytest.mark.parametrize("suffix", [None, "v1"], ids=["application", "version"])
async def test_who_is_given_a_name_again_is_configured_anew(rest: Operator, suffix: str | None) -> None:
    name = f"grove{secrets.token_hex(4)}"
    place = name if suffix is None else f"{name}/app-versions/{name}-{suffix}"
    config = f"/tekton/api/v1/app-configs/applications/{place}?serviceInstanceName=dcx"

    def wrapped(own: Json) -> Json:
        own = own if suffix is None else {"versions": {f"{name}-{suffix}": own}}
        return {"dcx": {"kaa": {"applications": {name: own}}}}

    async def create() -> None:
        await rest.call("POST", _APPLICATIONS, {"name": name})  # which is there when only a version went
        await rest.done("POST", f"{_APPLICATIONS}/{name}/app-versions", {"nameSuffix": "v1"})

    async def is_as_new() -> bool:
        answer: Json = await rest.done("GET", config)
        return bool(answer == wrapped({}))

    await create()
    await rest.done("PUT", config, wrapped({"retention": "90d"}))
    assert not await is_as_new()

    await rest.done("DELETE", f"{_APPLICATIONS}/{place}")
    await create()

    await eventually(is_as_new, what="what was configured is gone")
