"""Endpoints as rows, some at a time and each once: a table is read along one order, from key to key.

By key and not by number: nothing is skipped to be thrown away, and what comes and goes meanwhile repeats or
hides no other.
"""

from collections.abc import Sequence
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoint_tables import ExportEndpoints
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName, check_metadata_key
from libs.contracts.payload import encode_json
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Listed, Order, Range, keys_of, range_of
from services.endpoint_register.domain.metadata import MAX_KEYS, Metadata, selected
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.scope import application_named_in

READ_AT_ONCE: Final = 1000
"""Endpoints; a message with less metadata than :data:`MAX_BYTES` holds so many."""
MAX_BYTES: Final = 256 * 1024
"""Of one message, as JSON; MessagePack may double that, and the metadata of one endpoint may be as much."""

_DATE_BYTES: Final = 32

Row = tuple[Endpoint, Metadata]


async def export_endpoints(
    cmd: ExportEndpoints, *, parts: Parts, at_once: int = READ_AT_ONCE
) -> tuple[list[Row], str]:
    """Read the next endpoints, by application and id, and after which key to go on; "" = that was all.

    Raises:
        BadRequestError: A column cannot be a metadata key, or there are too many.
        ForbiddenError: It asks for an application outside the caller's limits.
        NotFoundError: The version cannot be one.
    """
    if len(cmd.columns) > MAX_KEYS:
        raise BadRequestError(f"at most {MAX_KEYS} columns")
    for column in cmd.columns:
        check_metadata_key(column)
    ranges = _ranges(cmd)
    for part in ranges:
        if part.prefix and part.end <= cmd.after:
            continue
        after = cmd.after if cmd.after > part.prefix else ""
        lines = await parts.listing.page(part, after=after, limit=at_once)
        if lines:
            rows, end = await _rows(part, lines, cmd.columns, parts)
            last = part is ranges[-1] and len(lines) < at_once and end == lines[-1].keys[part.key]
            return rows, "" if last else end
    return [], ""


def _ranges(cmd: ExportEndpoints) -> list[Range]:
    """Find what is to be read, in the order of its keys."""
    order = Order.ENDPOINT_ID
    if cmd.application_version_name is not None:
        version = AppVersionName(cmd.application_version_name)
        application = application_named_in(version)
        if cmd.application_name not in {None, application}:
            raise BadRequestError("the application version is not one of the application")
        check_limits(cmd.applications, application)
        return [range_of(order, descending=False, version=version)]
    if cmd.application_name is not None:
        check_limits(cmd.applications, cmd.application_name)
    names = cmd.applications if cmd.application_name is None else (cmd.application_name,)
    if names is None:
        return [range_of(order, descending=False)]
    ranges = {range_of(order, descending=False, application=ApplicationName(name)) for name in names}
    return sorted(ranges, key=lambda part: part.prefix)


async def _rows(
    part: Range, lines: Sequence[Listed], columns: Sequence[str], parts: Parts
) -> tuple[list[Row], str]:
    """Make rows of as many lines as fit into one message."""
    try:
        found = await parts.endpoints.find_many([line.endpoint_id for line in lines], metadata=bool(columns))
    except PayloadTooLargeError:
        return await _rows(part, lines[: len(lines) // 2], columns, parts)
    by_id = {endpoint.id: endpoint for endpoint in found}
    rows: list[Row] = []
    size, end = 0, ""
    for line in lines:
        endpoint = by_id.get(line.endpoint_id)
        if endpoint is not None and _is_listed(endpoint, part):
            metadata = selected(endpoint.metadata, columns)
            size += len(endpoint.id) + len(endpoint.version) + _DATE_BYTES + len(encode_json(metadata))
            if rows and size > MAX_BYTES:
                break
            rows.append((endpoint, metadata))
        end = line.keys[part.key]
    return rows, end


def _is_listed(endpoint: Endpoint, part: Range) -> bool:
    return endpoint.state is EndpointState.READY and part.holds(keys_of(endpoint), endpoint.filters)
