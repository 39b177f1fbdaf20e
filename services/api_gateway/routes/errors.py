"""Which errors a route may answer: most follow from what it takes, the rest the table adds."""

from collections.abc import Iterable

from services.api_gateway.routes.parameters import Parameter, Place

NOT_MODIFIED = 304

_ALWAYS = {
    400: "The request is malformed; `details` lists every problem that was found.",
    401: "No API key, or one that is unknown, revoked or expired.",
    403: "The API key lacks the scope this needs, or is limited to other applications.",
    500: "Our fault; the Correlation-ID finds the details in the logs.",
    503: "The service that owns the data cannot be reached now. Nothing was acknowledged: try again.",
    504: "No answer in time; whether the request took effect is unknown.",
}


def errors_of(
    *, parameters: Iterable[Parameter], has_body: bool, max_body_bytes: int, media_type: str | None
) -> dict[int, str]:
    """Tell the statuses below and above success that follow from parameters and body."""
    found = dict(_ALWAYS)
    names = {parameter.name for parameter in parameters}
    if any(parameter.place is Place.PATH for parameter in parameters):
        found[404] = "What the path names does not exist."
    if "If-None-Match" in names:
        found[NOT_MODIFIED] = "Unchanged since the entity tag in If-None-Match."
    if "If-Match" in names:
        found[412] = "Changed since the entity tag in If-Match."
    if has_body:
        found[408] = "The body did not arrive in time."
        found[413] = f"The body has more than {max_body_bytes // 1024} KiB."
        found[415] = f"The Content-Type is not {media_type or 'application/json'}."
    return found
