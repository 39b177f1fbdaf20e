"""Handlers of imports and exports."""

from http import HTTPStatus

from libs.contracts import endpoint_tables as contract
from libs.contracts.errors import GroveError
from libs.contracts.instants import iso_ms
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.exporting import export_endpoints
from services.endpoint_register.usecases.importing import Created, import_endpoints


class TableHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_import_endpoints(self, request: contract.ImportEndpoints) -> contract.ImportEndpointsReply:
        outcomes = await import_endpoints(request, parts=self._parts)
        return contract.ImportEndpointsReply(rows=tuple(_outcome(each) for each in outcomes))

    async def on_export_endpoints(self, request: contract.ExportEndpoints) -> contract.ExportEndpointsReply:
        rows, following = await export_endpoints(request, parts=self._parts)
        shown = tuple(
            contract.ExportedRow(
                endpoint_id=endpoint.id,
                app_version=endpoint.version,
                created_date=iso_ms(endpoint.created_at),
                metadata=dict(metadata),
            )
            for endpoint, metadata in rows
        )
        return contract.ExportEndpointsReply(rows=shown, next=following)


def _outcome(outcome: Created | GroveError) -> contract.RowOutcome:
    if isinstance(outcome, GroveError):
        return contract.RowOutcome(outcome.status_code, reason=outcome.reason_phrase)
    endpoint, token = outcome
    return contract.RowOutcome(HTTPStatus.CREATED.value, endpoint_id=endpoint.id, token=token)
