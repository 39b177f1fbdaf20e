"""Handlers of ``filters``."""

from http import HTTPStatus

from libs.contracts import filters as contract
from libs.contracts.applications import EmptyReply
from services.endpoint_register.bus_api.bodies import filter_body
from services.endpoint_register.domain.filters import Filter
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import filters


class FilterHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_list_filters(self, request: contract.ListFilters) -> contract.FilterPageReply:
        found, total = await filters.list_filters(request, parts=self._parts)
        content = [filter_body(each, matched=matched) for each, matched in found]
        return contract.FilterPageReply(body=contract.FilterPage(content=content, total_elements=total))

    async def on_create_filter(self, request: contract.CreateFilter) -> contract.FilterReply:
        found, matched = await filters.create_filter(request, parts=self._parts)
        return _reply(found, matched, HTTPStatus.CREATED)

    async def on_get_filter(self, request: contract.GetFilter) -> contract.FilterReply:
        return _reply(*await filters.get_filter(request, parts=self._parts), HTTPStatus.OK)

    async def on_update_filter(self, request: contract.UpdateFilter) -> contract.FilterReply:
        return _reply(*await filters.update_filter(request, parts=self._parts), HTTPStatus.OK)

    async def on_delete_filter(self, request: contract.DeleteFilter) -> EmptyReply:
        await filters.delete_filter(request, parts=self._parts)
        return EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)


def _reply(found: Filter, matched: int, status: HTTPStatus) -> contract.FilterReply:
    return contract.FilterReply(
        status_code=status.value, body=filter_body(found, matched=matched), e_tag=found.e_tag
    )
