"""Filters as operators make, change and see them; what follows for endpoints is :mod:`.evaluating`'s."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from libs.contracts.conditions import check_if_match
from libs.contracts.errors import ConflictError, NotFoundError, PayloadTooLargeError
from libs.contracts.filters import CreateFilter, DeleteFilter, GetFilter, ListFilters, UpdateFilter
from libs.contracts.ids import ApplicationName
from libs.contracts.paging import check_page
from services.endpoint_register.domain.filters import Filter, FilterSet, check_filter_texts, named_so
from services.endpoint_register.domain.listing import Order, range_of
from services.endpoint_register.domain.queries import parse_query
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import ATTEMPTS
from services.endpoint_register.usecases.scope import find_application

PAGE_BYTES: Final = 512 * 1024
"""Texts of filters in one message of at most 768 KiB."""


async def list_filters(cmd: ListFilters, *, parts: Parts) -> tuple[list[tuple[Filter, int]], int]:
    """Read a page of filters with the number of endpoints that match each, and count them all.

    Raises:
        BadRequestError: The page is none.
        PayloadTooLargeError: It does not fit into one message.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    filters = await parts.filters.find(application.name)
    found = named_so(filters.filters, cmd.name)
    page = found[cmd.offset : cmd.offset + cmd.limit]
    size = sum(len(text.encode()) for each in page for text in (each.name, each.description, each.query.text))
    if size > PAGE_BYTES:
        raise PayloadTooLargeError("the page is too large; ask for fewer filters")
    return [(each, await _matched(each.id, parts)) for each in page], len(found)


async def get_filter(cmd: GetFilter, *, parts: Parts) -> tuple[Filter, int]:
    """Read a filter, with the number of endpoints that match it."""
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    found = (await parts.filters.find(application.name)).find(cmd.filter_id)
    return found, await _matched(found.id, parts)


async def create_filter(cmd: CreateFilter, *, parts: Parts) -> tuple[Filter, int]:
    """Make a filter, which is pending until the endpoints there are have been judged.

    Raises:
        BadRequestError: The query is none that is known here, or a text is too long.
        ConflictError: The application has a filter of this name, or as many as it can have.
    """
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    check_filter_texts({"name": cmd.body.name, "description": cmd.body.description})
    now = parts.clock.now()
    new = Filter(
        id=parts.entropy.attempt(),
        name=cmd.body.name,
        description=cmd.body.description,
        query=parse_query(cmd.body.mongo_query),
        created_at=now,
        updated_at=now,
    )

    def add(before: FilterSet) -> FilterSet:
        # It is ours when the answer of the write got lost.
        return before if before.holds(new.id) else before.with_new(new)

    await _change(application.name, add, parts)
    try:
        # Again: whoever removes the application may have dropped its filters before this one came.
        await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    except NotFoundError:
        await parts.filters.remove(application.name)
        raise
    return new, 0


async def update_filter(cmd: UpdateFilter, *, parts: Parts) -> tuple[Filter, int]:
    """Change a filter; with another query it is pending again.

    Raises:
        BadRequestError: As :func:`create_filter`.
        ConflictError: The name is taken.
        PreconditionFailedError: ``If-Match`` does not hold.
    """
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    given: Mapping[str, object] = {
        "name": cmd.body.name,
        "description": cmd.body.description,
        "mongo_query": cmd.body.mongo_query,
    }
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    check_filter_texts(texts)
    query = parse_query(texts["mongo_query"]) if "mongo_query" in texts else None

    def change(before: FilterSet) -> FilterSet:
        found = before.find(cmd.filter_id)
        check_if_match(cmd.if_match, found.e_tag)
        changed = replace(
            found,
            name=texts.get("name", found.name),
            description=texts.get("description", found.description),
            query=found.query if query is None or query.text == found.query.text else query,
        )
        if changed == found:
            return before
        return before.with_changed(replace(changed, updated_at=parts.clock.now()))

    after = await _change(application.name, change, parts)
    return after.find(cmd.filter_id), await _matched(cmd.filter_id, parts)


async def delete_filter(cmd: DeleteFilter, *, parts: Parts) -> None:
    """Take a filter away: at once for everybody who reads, then from the endpoints.

    Raises:
        NotFoundError: There is none.
        PreconditionFailedError: ``If-Match`` does not hold.
    """
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)

    def remove(before: FilterSet) -> FilterSet:
        check_if_match(cmd.if_match, before.find(cmd.filter_id).e_tag)
        return before.without(cmd.filter_id, at=parts.clock.now())

    await _change(application.name, remove, parts)


async def _change(
    application: ApplicationName, change: Callable[[FilterSet], FilterSet], parts: Parts
) -> FilterSet:
    """Apply ``change`` to the filters as they are at that moment.

    Raises:
        ConflictError: Others were faster, again and again.
    """
    for attempt in range(ATTEMPTS):
        before = await parts.filters.find(application)
        after = change(before)
        if after is before or await parts.filters.replace(before, after):
            return after
        await asyncio.sleep(parts.entropy.pause_s(attempt))
    raise ConflictError("concurrent changes of the filters could not be reconciled")


async def _matched(filter_id: str, parts: Parts) -> int:
    everything = range_of(Order.ENDPOINT_ID, descending=False)
    return await parts.listing.count(replace(everything, filter_id=filter_id))
