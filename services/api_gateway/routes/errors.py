"""Which errors a route may answer: most follow from what it takes, the rest the table adds."""

from collections.abc import Iterable

from services.api_gateway.routes.parameters import Parameter, Place

NOT_MODIFIED = 304

_ALWAYS = {
    400: "The request is malformed; `details` lists every problem that was found.",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The API key lacks the scope this needs, or is limited to other applications.",
    429: "The API key makes more requests than it may; there is a limit where the server's operator set one.",
    500: "Our fault; the Correlation-ID finds the details in the logs.",
    503: "The service that owns the data cannot be reached now. Nothing was acknowledged: try again.",
    504: "No answer in time; whether the request took effect is unknown.",
}


def errors_of(
    *, method: str, parameters: Iterable[Parameter], max_body_bytes: int | None, media_type: str
) -> dict[int, str]:
    """Tell the statuses besides success that follow from what a route takes.

    Args:
        method: A change can lose against another; an answer can be too large.
        parameters: Of path, query and headers.
        max_body_bytes: Largest body; None = it takes none.
        media_type: The Content-Type of the body.
    """
    found = dict(_ALWAYS)
    if method == "GET":
        found[413] = "The answer would be above 768 KiB; ask for less at a time."
    else:
        found[409] = "Concurrent changes could not be reconciled; try again."
    names = {parameter.name for parameter in parameters}
    if any(parameter.place is Place.PATH for parameter in parameters):
        found[404] = "What the path names does not exist."
    if "If-None-Match" in names:
        found[NOT_MODIFIED] = "Unchanged since the entity tag in If-None-Match."
    if "If-Match" in names:
        found[412] = "Changed since the entity tag in If-Match."
    if max_body_bytes is not None:
        found[408] = "The body did not arrive in time."
        found[413] = f"The body has more than {max_body_bytes // 1024} KiB."
        found[415] = f"The Content-Type is not {media_type}."
    return found
