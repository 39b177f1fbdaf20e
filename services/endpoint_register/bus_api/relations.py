"""Handlers of ``relations``."""

from http import HTTPStatus

from libs.contracts import relations as contract
from libs.contracts.applications import EmptyReply
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import relations


class RelationHandlers:
    """One method for each operation."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_list_relations(self, request: contract.ListRelations) -> contract.RelationPageReply:
        found, total = await relations.list_relations(request, parts=self._parts)
        content = [
            contract.Relation(type=each.kind, from_id=each.source.endpoint_id, to_id=each.target.endpoint_id)
            for each in found
        ]
        return contract.RelationPageReply(body=contract.RelationPage(content=content, total_elements=total))

    async def on_link_endpoints(self, request: contract.LinkEndpoints) -> EmptyReply:
        await relations.link(request, parts=self._parts)
        return EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)

    async def on_unlink_endpoints(self, request: contract.UnlinkEndpoints) -> EmptyReply:
        await relations.unlink(request, parts=self._parts)
        return EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)
