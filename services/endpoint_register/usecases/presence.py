"""What transports say about who is connected, taken in; and endpoints follow the version they speak for.

Whatever happens in between, the events come again until all of this is done, and doing it again changes
nothing: records compare keys, a move to the version an endpoint is at is none, and what is settled
about a version stays settled, so that a late repetition does not undo an operator's move.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from libs.contracts.endpoints import AppVersionRef, PutEndpointVersion
from libs.contracts.errors import GroveError
from libs.contracts.ids import AppVersionName, EndpointId, application_of
from services.endpoint_register import metrics
from services.endpoint_register.domain.connectivity import (
    Connectivity,
    Known,
    Run,
    RunState,
    Statement,
    newest,
)
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.endpoints import put_endpoint_version

_TOGETHER: Final = 1000
_MOVES_AT_ONCE: Final = 16
_FIRST_SERVER_ERROR: Final = 500

_log = structlog.get_logger()


async def take_in(statements: Sequence[Statement], *, parts: Parts) -> None:
    """Keep what is said of endpoints.

    Raises:
        UnavailableError: The store is away; everything has to come again.
    """
    latest = newest(statements)
    for start in range(0, len(latest), _TOGETHER):
        await _take_in(latest[start : start + _TOGETHER], parts)
    # After the records: whoever forgets a process looks for its records after that.
    repeating = {each.run_id for each in statements if each.is_repeated}
    for run_id in sorted({each.run_id for each in statements if each.connected}):
        await _know(run_id, repeats=run_id in repeating, parts=parts)


async def connectivity_of(endpoints: Sequence[Endpoint], *, parts: Parts) -> dict[EndpointId, Connectivity]:
    """Find what is known of the connections of these very endpoints."""
    records = await parts.connectivity.find_many([endpoint.id for endpoint in endpoints])
    gone = await parts.runs.ending()  # writing that down takes a moment for each endpoint
    incarnations = {endpoint.id: endpoint.incarnation for endpoint in endpoints}
    return {
        key: each.ended() if each.run_id in gone else each
        for key, each in records.items()
        if each.incarnation == incarnations[key]
    }


async def ready_of(endpoint_ids: Sequence[EndpointId], *, parts: Parts) -> dict[EndpointId, Endpoint]:
    """Find those that may be seen."""
    found = await parts.endpoints.find_many(endpoint_ids, metadata=False)
    return {endpoint.id: endpoint for endpoint in found if endpoint.state is EndpointState.READY}


async def follow_versions(moves: Iterable[tuple[Endpoint, AppVersionName]], *, parts: Parts) -> None:
    """Move endpoints to the versions they speak for; a version that takes none leaves them where they are.

    Raises:
        GroveError: It cannot be done now, for at least one of them.
    """
    turns = asyncio.Semaphore(_MOVES_AT_ONCE)

    async def follow(endpoint: Endpoint, version: AppVersionName) -> GroveError | None:
        cmd = PutEndpointVersion(endpoint_id=endpoint.id, body=AppVersionRef(name=version))
        try:
            async with turns:
                await put_endpoint_version(cmd, parts=parts)
        except GroveError as error:
            metrics.MOVED.labels("refused" if error.status_code < _FIRST_SERVER_ERROR else "failed").inc()
            _log.warning(
                "presence.not_moved", endpoint=endpoint.id, version=version, reason=error.reason_phrase
            )
            return error
        metrics.MOVED.labels("moved").inc()
        return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(*move), name="follow version") for move in moves]
    for error in (task.result() for task in tasks):
        if error is not None and error.status_code >= _FIRST_SERVER_ERROR:
            raise error


async def _take_in(statements: Sequence[Statement], parts: Parts) -> None:
    endpoints = await ready_of([each.endpoint_id for each in statements], parts=parts)
    strangers = [each for each in statements if each.endpoint_id not in endpoints]
    if strangers:
        metrics.IGNORED.labels("no such endpoint").inc(len(strangers))
        await parts.connectivity.forget_older(strangers)
    known = [_known(each, endpoints) for each in statements if _belongs(each, endpoints)]
    await parts.connectivity.apply(known)
    unsettled = {each.statement.endpoint_id: each for each in known if not each.is_settled}
    if unsettled:
        await _settle(unsettled, endpoints, parts)


async def _settle(
    unsettled: Mapping[EndpointId, Known], endpoints: Mapping[EndpointId, Endpoint], parts: Parts
) -> None:
    """Let endpoints follow, as far as what they said still stands and was not seen to before."""
    records = await parts.connectivity.find_many(list(unsettled))
    standing = [
        record
        for record in records.values()
        if not record.is_settled and record.key == unsettled[record.endpoint_id].statement.key
    ]
    await follow_versions(
        (
            (endpoints[record.endpoint_id], unsettled[record.endpoint_id].statement.version)
            for record in standing
        ),
        parts=parts,
    )
    for record in standing:
        await parts.connectivity.settle(record)


def _belongs(statement: Statement, endpoints: Mapping[EndpointId, Endpoint]) -> bool:
    endpoint = endpoints.get(statement.endpoint_id)
    if endpoint is None:
        return False
    if application_of(statement.version) == endpoint.application:
        return True
    metrics.IGNORED.labels("another application").inc()
    return False


def _known(statement: Statement, endpoints: Mapping[EndpointId, Endpoint]) -> Known:
    endpoint = endpoints[statement.endpoint_id]
    is_settled = not statement.connected or statement.version == endpoint.version
    return Known(statement=statement, incarnation=endpoint.incarnation, is_settled=is_settled)


async def _know(run_id: str, *, repeats: bool, parts: Parts) -> None:
    """Watch over a process that holds something, and note that it has said again whom it holds."""
    state = RunState.ALIVE if repeats else RunState.OWING
    run = await parts.runs.find(run_id)
    if run is None:
        await parts.runs.add(Run(run_id=run_id, state=state, stamp=parts.entropy.attempt()))
    elif repeats and run.state is RunState.OWING:
        await parts.runs.replace(run, replace(run, state=RunState.ALIVE))
