"""Relations of endpoints: which contains which.

A relation is between two lives of endpoints and goes with either (:mod:`.removing`). One that is made
while an end of it is being removed is taken back by whoever makes it, and if he dies before that, dropped
by whoever reads it: until then nobody sees it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.errors import BadRequestError, ConflictError, NotFoundError
from libs.contracts.ids import EndpointId
from libs.contracts.paging import check_page
from libs.contracts.relations import LinkEndpoints, ListRelations, NewRelation, UnlinkEndpoints
from libs.contracts.relations import Relation as RelationBody
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.relation import MAX_RELATIONS, End, Relation
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import find_ready

MAX_AT_CREATION: Final = 100
"""All of them are written within the few seconds that a creation has."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Whom a new endpoint will be related to.

    Attributes:
        end: The other endpoint.
        contains: Whether that one contains the new one; else it is contained.
    """

    end: End
    contains: bool


async def link(cmd: LinkEndpoints, *, parts: Parts) -> None:
    """Relate two endpoints; again is a success that changes nothing.

    Raises:
        BadRequestError: They are one.
        NotFoundError: One of them does not exist.
        ConflictError: One of them has too many relations.
    """
    relation = await _relation(cmd.body, cmd.applications, parts)
    await _store(relation, parts)
    for end in (relation.source, relation.target):
        found = await parts.endpoints.find(end.endpoint_id, metadata=False)
        if found is None or not _lives(end, found):
            await parts.relations.remove(relation)
            raise NotFoundError(f"there is no endpoint {end.endpoint_id[:64]!a} any more")


async def unlink(cmd: UnlinkEndpoints, *, parts: Parts) -> None:
    """End a relation; one that is not there is a success.

    Raises:
        BadRequestError: The two endpoints are one.
        NotFoundError: One of them does not exist.
    """
    await parts.relations.remove(await _relation(cmd.body, cmd.applications, parts))


async def list_relations(cmd: ListRelations, *, parts: Parts) -> tuple[list[Relation], int]:
    """Read a page of an endpoint's relations, and count them all; the caller's limits hold for both ends.

    There is one type of them only, so asking for it leaves nothing out.

    Raises:
        NotFoundError: There is no such endpoint.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    endpoint = await find_ready(EndpointId(cmd.endpoint_id), parts=parts, metadata=False)
    check_limits(cmd.applications, endpoint.application)
    end = End.of(endpoint)
    found = [
        relation
        for relation in await parts.relations.of(end)
        if cmd.applications is None or relation.other(end).application in cmd.applications
    ]
    page = sorted(found, key=lambda relation: relation.order)[cmd.offset : cmd.offset + cmd.limit]
    others = [relation.other(end).endpoint_id for relation in page]
    living = {each.id: each for each in await parts.endpoints.find_many(others, metadata=False)}
    shown: list[Relation] = []
    for relation in page:
        other = relation.other(end)
        there = living.get(other.endpoint_id)
        if there is not None and _lives(other, there):
            shown.append(relation)
        elif there is None or there.incarnation != other.incarnation:
            await parts.relations.remove(relation)
    return shown, len(found) - (len(page) - len(shown))


async def find_partners(
    wanted: Sequence[NewRelation], *, applications: Sequence[str] | None, parts: Parts
) -> list[Partner]:
    """Find whom an endpoint that is to be created names, before anything is written.

    Raises:
        BadRequestError: Too many, or one that does not name exactly one end.
        NotFoundError: One of them does not exist.
    """
    if len(wanted) > MAX_AT_CREATION:
        raise BadRequestError(f"at most {MAX_AT_CREATION} relations at creation")
    partners: list[Partner] = []
    for number, each in enumerate(wanted):
        if (each.from_id is None) == (each.to_id is None):
            raise BadRequestError(f"relations[{number}] must have either from or to")
        other = EndpointId(each.from_id or each.to_id or "")
        endpoint = await find_ready(other, parts=parts, metadata=False)
        check_limits(applications, endpoint.application)
        partners.append(Partner(End.of(endpoint), contains=each.from_id is not None))
    return partners


async def attach(hidden: Endpoint, partners: Sequence[Partner], *, parts: Parts) -> None:
    """Relate an endpoint that nobody sees yet; again is a success.

    Raises:
        ConflictError: A partner has too many relations.
    """
    mine = End.of(hidden)
    for partner in partners:
        source, target = (partner.end, mine) if partner.contains else (mine, partner.end)
        await _store(Relation(source=source, target=target), parts)


async def _relation(body: RelationBody, limits: Sequence[str] | None, parts: Parts) -> Relation:
    if body.from_id == body.to_id:
        raise BadRequestError("an endpoint cannot be related to itself")
    source, target = [
        await find_ready(EndpointId(name), parts=parts, metadata=False) for name in (body.from_id, body.to_id)
    ]
    for endpoint in (source, target):
        check_limits(limits, endpoint.application)
    return Relation(kind=body.type, source=End.of(source), target=End.of(target))


async def _store(relation: Relation, parts: Parts) -> None:
    """Write first and count then: of two that are written at once one at least sees both."""
    if not await parts.relations.add(relation):
        return
    for end in (relation.source, relation.target):
        if await parts.relations.count(end) > MAX_RELATIONS:
            await parts.relations.remove(relation)
            raise ConflictError(f"endpoint {end.endpoint_id} has {MAX_RELATIONS} relations already")


def _lives(end: End, endpoint: Endpoint) -> bool:
    return endpoint.state is EndpointState.READY and endpoint.incarnation == end.incarnation
