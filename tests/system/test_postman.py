"""The Postman collection of the device's calls does what it says, against the running suite."""

from pathlib import Path

from tests.support.postman import run_collection
from tests.support.rest import Operator
from tests.support.stack import Stack

_COLLECTION = Path(__file__).parents[2] / "docs" / "kp1.postman_collection.json"


async def test_every_request_of_the_collection_passes_its_own_checks(rest: Operator, suite: Stack) -> None:
    twin = await rest.new_twin(metadata={"description": "My first tree"})

    results = await run_collection(
        _COLLECTION, baseUrl=suite.http, appVersion=twin.app_version, token=twin.token
    )

    assert [result for result in results if result.failures] == []
    assert len(results) >= 6
