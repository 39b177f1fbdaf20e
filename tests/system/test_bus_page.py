"""The subscriber of docs/bus.md works by copy and paste."""

import ast
import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.rest import Json, Operator
from tests.support.stack import Stack
from tests.support.waiting import eventually

_PAGE = Path(__file__).parents[2] / "docs" / "bus.md"
_DATA = "grove.v1.events.data-collection.endpoint.data-collection"


def _subscriber() -> str:
    """Return the program under "A subscriber in five lines"."""
    section = _PAGE.read_text().partition("## A subscriber in five lines\n")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@asynccontextmanager
async def _running(folder: Path, output: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the program in a folder, its output line by line in a file, until the block ends."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-c", _subscriber(), cwd=folder, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_subscriber_works_by_copy_and_paste(suite: Stack, rest: Operator, tmp_path: Path) -> None:
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "ready.json").symlink_to(suite.data / "ready.json")
    output = tmp_path / "printed"
    twin = await rest.new_twin()

    async with _running(tmp_path, output) as process:

        async def printed() -> dict[str, Json]:
            assert process.returncode is None, output.read_text()
            # Sent again each time: the program does not say when it has subscribed.
            assert (await twin.post("dcx/<token>/json", {"temperature": 21})).status == 200
            found = _of_endpoint(output.read_text(), twin.endpoint_id)
            return found if len(found) == 2 else {}

        told = await eventually(printed, what="samples and points are printed", deadline_s=20)

    samples = told[f"{_DATA}.data-samples-received"]
    points = told[f"{_DATA}.data-points-received.auto~temperature"]
    assert set(samples["dataSamples"]) == {b'{"temperature":21}'}
    assert points["timeSeriesName"] == "auto~temperature"
    assert points["dataPoints"][0]["values"] == {"value": 21}
    assert points["appVersionName"] == samples["appVersionName"] == twin.app_version


def _of_endpoint(text: str, endpoint_id: str) -> dict[str, Json]:
    """Read the first event of each subject about an endpoint; the last line may not be complete."""
    found: dict[str, Json] = {}
    for line in text.splitlines(keepends=True):
        subject, _, event = line.partition(" ")
        if line.endswith("\n") and ast.literal_eval(event).get("endpointId") == endpoint_id:
            found.setdefault(subject, ast.literal_eval(event))
    return found
