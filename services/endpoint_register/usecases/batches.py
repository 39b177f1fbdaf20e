"""Tasks that create many endpoints, as operators ask for them; :mod:`.batch_work` carries them out.

A task is offered first and admitted only when it is among those that may wait: so two that are asked for
at once cannot both be the last one. One that nobody admits is forgotten, like a creation that was not
finished.
"""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoint_batches import BatchedEndpoint, CreateBatch, GetBatchStatus
from libs.contracts.errors import (
    BadRequestError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
    TooManyRequestsError,
    UnavailableError,
)
from libs.contracts.ids import AppVersionName, check_endpoint_id, check_token
from services.endpoint_register.domain.batch import (
    MAX_ITEMS,
    MAX_WAITING,
    Batch,
    BatchId,
    BatchItem,
    BatchState,
)
from services.endpoint_register.domain.metadata import check_metadata
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.scope import application_named_in, check_open

_ADMITTED_WITHIN: Final = timedelta(minutes=1)


async def create_batch(cmd: CreateBatch, *, parts: Parts) -> Batch:
    """Accept a task; all that can be seen to be wrong with it is refused here, as a whole.

    Raises:
        BadRequestError: No endpoints, too many, or one that cannot be; the phrase says which.
        NotFoundError: There is no such application version.
        ConflictError: The version is being removed.
        TooManyRequestsError: Too many tasks of this application wait.
    """
    version = AppVersionName(cmd.body.app_version.name)
    application = application_named_in(version)
    check_limits(cmd.applications, application)
    if not 1 <= len(cmd.body.endpoints) <= MAX_ITEMS:
        raise BadRequestError(f"endpoints must be 1 to {MAX_ITEMS}")
    items = tuple(_item(number, each, parts) for number, each in enumerate(cmd.body.endpoints))
    _check_distinct(items)
    await check_open(version, parts=parts)
    now = parts.clock.now()
    batch = Batch(
        id=BatchId(parts.entropy.attempt()),
        application=application,
        version=version,
        correlation_id=cmd.correlation_id,
        created_at=now,
        due_at=now + _ADMITTED_WITHIN,
        items=items,
    )
    await parts.batches.add(batch)
    return await _admit(batch, parts)


async def get_batch(cmd: GetBatchStatus, *, parts: Parts) -> Batch:
    """Find a task of an application.

    Raises:
        NotFoundError: There is none, or it was forgotten.
    """
    check_limits(cmd.applications, cmd.app_name)
    batch = await parts.batches.find(BatchId(cmd.task_id))
    if batch is None or batch.application != cmd.app_name or batch.state is BatchState.OFFERED:
        raise NotFoundError(f"there is no task {cmd.task_id[:64]!a} of application {cmd.app_name[:64]!a}")
    return batch


async def _admit(batch: Batch, parts: Parts) -> Batch:
    if await parts.batches.waiting(batch.application) > MAX_WAITING:
        with suppress(GroveError):
            await parts.batches.remove(batch)
        raise TooManyRequestsError(
            f"{MAX_WAITING} tasks of application {batch.application} wait already; ask again when one is done"
        )
    admitted = batch.admitted(at=parts.clock.now())
    try:
        stored = await parts.batches.replace(batch, admitted)
    except UnavailableError:
        # When only the answer was lost, the tokens would be lost with it.
        found = await parts.batches.find(batch.id)
        stored = found is not None and found.state is not BatchState.OFFERED
    if not stored:
        raise UnavailableError("accepting the task took too long and was taken back")
    return admitted


def _item(number: int, endpoint: BatchedEndpoint, parts: Parts) -> BatchItem:
    try:
        check_metadata(endpoint.metadata)
        given_id = None if endpoint.endpoint_id is None else check_endpoint_id(endpoint.endpoint_id)
        given_token = None if endpoint.endpoint_token is None else check_token(endpoint.endpoint_token)
    except (BadRequestError, PayloadTooLargeError) as error:
        raise type(error)(f"endpoints[{number}]: {error.reason_phrase}") from error
    return BatchItem(
        endpoint_id=given_id or parts.entropy.endpoint_id(),
        token=given_token or parts.entropy.token_value(),
        metadata=endpoint.metadata,
        given_id=given_id is not None,
        given_token=given_token is not None,
    )


def _check_distinct(items: tuple[BatchItem, ...]) -> None:
    """Refuse what could not be created twice; which of the two is created would be chance."""
    ids = Counter(item.endpoint_id for item in items)
    tokens = Counter(item.token for item in items)
    for what, named in (
        ("endpointId", [number for number, item in enumerate(items) if ids[item.endpoint_id] > 1]),
        ("endpointToken", [number for number, item in enumerate(items) if tokens[item.token] > 1]),
    ):
        if named:
            raise BadRequestError(f"endpoints[{named[0]}] has the {what} of another endpoint of the batch")
