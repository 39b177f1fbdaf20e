"""Handlers of what concerns many endpoints at once."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET

from libs.contracts import endpoint_batches as contract
from libs.contracts.endpoints import EndpointPageReply, ListEndpoints
from services.endpoint_register.bus_api.endpoints import EndpointHandlers
from services.endpoint_register.domain.batch import Batch, BatchItem, BatchState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import batches, removing_many

_MAX_STATUS_BYTES: Final = 512 * 1024
_SHOWN_STATES: Final[dict[BatchState, Literal["PENDING", "RUNNING", "DONE"]]] = {
    BatchState.PENDING: "PENDING",
    BatchState.RUNNING: "RUNNING",
    BatchState.DONE: "DONE",
}


class BatchHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts, *, endpoints: EndpointHandlers) -> None:
        self._parts = parts
        self._endpoints = endpoints

    async def on_create_batch(self, request: contract.CreateBatch) -> contract.BatchTaskReply:
        batch = await batches.create_batch(request, parts=self._parts)
        return contract.BatchTaskReply(body=contract.BatchTask(task_id=batch.id))

    async def on_get_batch_status(self, request: contract.GetBatchStatus) -> contract.BatchStatusReply:
        batch = await batches.get_batch(request, parts=self._parts)
        return contract.BatchStatusReply(body=status_body(batch))

    async def on_search_endpoints(self, request: contract.SearchEndpoints) -> EndpointPageReply:
        body = request.body
        return await self._endpoints.on_list_endpoints(
            ListEndpoints(
                endpoint_id=tuple(body.endpoint_id),
                endpoint_id_prefix=body.endpoint_id_prefix,
                application_name=body.application_name,
                application_version_name=body.application_version_name,
                filter_id=body.filter_id,
                include=tuple(body.include),
                sort=body.sort,
                offset=body.offset,
                limit=body.limit,
                applications=request.applications,
            )
        )

    async def on_delete_endpoints(self, request: contract.DeleteEndpoints) -> contract.DeletedEndpointsReply:
        removals = await removing_many.delete_endpoints(request, parts=self._parts)
        deleted: list[str] = [each.endpoint_id for each in removals if each.error is None]
        failed = [
            contract.NotDeleted(
                endpoint_id=each.endpoint_id,
                status_code=each.error.status_code,
                status_reason=each.error.reason_phrase,
            )
            for each in removals
            if each.error is not None
        ]
        body = contract.DeletedEndpoints(
            deleted_count=len(deleted), failed_count=len(failed), deleted=deleted, failed=failed
        )
        return contract.DeletedEndpointsReply(body=body)


def status_body(batch: Batch) -> contract.BatchStatus:
    """Show a task; what was given with failed endpoints goes when all of it would be too large."""
    shown = _status(batch, metadata=True, tokens=True)
    if len(msgspec.msgpack.encode(shown)) > _MAX_STATUS_BYTES:
        shown = _status(batch, metadata=False, tokens=True)
    if len(msgspec.msgpack.encode(shown)) > _MAX_STATUS_BYTES:
        shown = _status(batch, metadata=False, tokens=False)
    return shown


def _status(batch: Batch, *, metadata: bool, tokens: bool) -> contract.BatchStatus:
    created: list[contract.BatchCreated] = []
    failed: list[contract.BatchFailed] = []
    for number, reason in sorted(batch.outcomes.items()):
        item = batch.items[number]
        if reason is None:
            created.append(
                contract.BatchCreated(
                    index=number,
                    endpoint_id=item.endpoint_id,
                    token=UNSET if item.given_token or item.token is None else item.token,
                )
            )
        else:
            failed.append(_failed(number, item, reason, metadata=metadata, tokens=tokens))
    return contract.BatchStatus(
        status=_SHOWN_STATES[batch.state],
        total_count=len(batch.items),
        created_count=len(created),
        failed_count=len(failed),
        created=created,
        failed=failed,
    )


def _failed(
    number: int, item: BatchItem, reason: str, *, metadata: bool, tokens: bool
) -> contract.BatchFailed:
    shows_token = tokens and item.given_token and item.token is not None
    return contract.BatchFailed(
        index=number,
        status_reason=reason,
        endpoint_id=item.endpoint_id if item.given_id else UNSET,
        endpoint_token=item.token if shows_token and item.token is not None else UNSET,
        metadata=dict(item.metadata) if metadata else UNSET,
    )
