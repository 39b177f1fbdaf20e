"""Execute a Postman collection (v2.1): its requests in order, and the checks of its test scripts.

Only what our own collections use: variables, raw bodies, headers, and two kinds of checks, status
and text. A check it does not understand is an error, not a pass.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")
_STATUS = re.compile(r"pm\.response\.to\.have\.status\((\d+)\)")
_INCLUDES = re.compile(r'pm\.expect\(pm\.response\.text\(\)\)\.to\.include\("([^"]*)"\)')
_EQUALS = re.compile(r'pm\.expect\(pm\.response\.text\(\)\)\.to\.eql\("([^"]*)"\)')
_CHECKS = (_STATUS, _INCLUDES, _EQUALS)


@dataclass(frozen=True)
class Result:
    """What one request of the collection came to.

    Attributes:
        failures: The checks that did not hold, as written in the collection.
    """

    name: str
    status: int
    body: str
    failures: list[str] = field(default_factory=list)


async def run_collection(path: Path, **variables: str) -> list[Result]:
    """Send every request of a collection, in order, to wherever ``baseUrl`` points.

    Args:
        path: The collection.
        variables: Override the collection's own.

    Raises:
        ValueError: A variable has no value, or a check is not understood.
    """
    collection = _load(path)
    values = {each["key"]: each["value"] for each in collection.get("variable", [])} | variables
    async with aiohttp.ClientSession() as session:
        return [await _run(item, values, session) for item in _requests(collection["item"])]


def _load(path: Path) -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return collection


def _requests(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from _requests(item["item"])
        else:
            yield item


async def _run(item: dict[str, Any], values: Mapping[str, str], session: aiohttp.ClientSession) -> Result:
    request = item["request"]
    headers = {_filled(each["key"], values): _filled(each["value"], values) for each in request["header"]}
    body = _filled(request.get("body", {}).get("raw", ""), values)
    url = _filled(request["url"]["raw"], values)
    async with session.request(request["method"], url, headers=headers, data=body.encode()) as response:
        text = await response.text()
    failures = [check for check in _checks(item) if not _holds(check, response.status, text)]
    return Result(item["name"], response.status, text, failures)


def _checks(item: dict[str, Any]) -> list[str]:
    scripts = [event["script"]["exec"] for event in item.get("event", []) if event["listen"] == "test"]
    return [line for script in scripts for line in script if line.strip()]


def _holds(check: str, status: int, text: str) -> bool:
    for pattern in _CHECKS:
        found = pattern.search(check)
        if found is not None:
            expected = found[1]
            if pattern is _STATUS:
                return status == int(expected)
            return expected in text if pattern is _INCLUDES else text == expected
    raise ValueError(f"a check that this runner does not understand: {check}")


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(variable: re.Match[str]) -> str:
        found = values.get(variable[1], "")
        if not found:
            raise ValueError(f"variable {variable[1]} has no value")
        return found

    return _VARIABLE.sub(value, text)
