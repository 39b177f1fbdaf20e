"""The tutorial, by a client that was made from /openapi.json and knows nothing else."""

import aiohttp
import pytest

from tests.support.openapi_client import NotDescribedError, OpenApiClient
from tests.support.stack import Stack


async def _client(suite: Stack, session: aiohttp.ClientSession) -> OpenApiClient:
    async with session.get(f"{suite.api}/openapi.json") as response:
        document = await response.json()
    return OpenApiClient(document, server=suite.api, key=suite.api_key, session=session)


async def test_the_tutorial_runs_on_the_openapi_document_alone(suite: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        api = await _client(suite, session)

        application = (await api.call("createApplication", body={"displayName": "Olive grove"})).body["name"]
        version = await api.call("createVersion", applicationName=application, body={"nameSuffix": "v1"})
        at = {"name": version.body["name"]}
        planted = {"appVersion": at, "metadata": {"description": "Third row, by the well"}}
        tree = (await api.call("createEndpoint", body=planted)).body["endpointId"]

        trees = await api.call("listEndpoints", applicationName=application, include=["metadata"])
        before = await api.call("getMetadata", endpointId=tree)
        known = {"endpointId": tree, "If_Match": before.headers["ETag"]}
        await api.call("putMetadata", **known, body=before.body | {"model": "BFG 9000"})
        lost = await api.call("putMetadata", **known, body={})
        after = await api.call("getMetadata", endpointId=tree)

        (token,) = (await api.call("listTokens", endpointId=tree)).body["content"]
        its = {"endpointId": tree, "tokenId": token["endpointTokenId"]}
        for status in ("Active", "Suspended"):
            await api.call("setTokenStatus", **its, body={"status": status})
        suspended = await api.call("listTokens", endpointId=tree, status=["Suspended"])

    assert [each["metadata"] for each in trees.body["content"]] == [planted["metadata"]]
    assert lost.status == 412
    assert after.body == {"description": "Third row, by the well", "model": "BFG 9000"}
    assert [each["endpointTokenId"] for each in suspended.body["content"]] == [its["tokenId"]]


async def test_what_the_document_does_not_describe_is_not_sent(suite: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        api = await _client(suite, session)

        for arguments in ({"applicatonName": "olives"}, {"sort": 1}, {"include": ["everything"]}):
            with pytest.raises(NotDescribedError):
                await api.call("listEndpoints", **arguments)
        with pytest.raises(NotDescribedError):
            await api.call("createVersion", applicationName="olives", body={"sufix": "v1"})
