"""``/live/api/v1``: what happens, while it happens."""

from libs.contracts import live as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.live.sse import EXAMPLE
from services.api_gateway.routes.declaration import Route, Tag

_TAG = Tag(
    name="Live",
    description="Events as Server-Sent Events, each under the name and with the fields that docs/bus.md has.",
)

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path="/live/api/v1/events",
        operation=contract.FOLLOW_EVENTS,
        scope=Scope.READ,
        summary="Follow events",
        description="A stream without an end (`curl -N`): `event` is the type, `data` the event as JSON. A "
        "key that is limited to applications is told of these only.\n\n"
        "**To miss nothing** send the last `id` as `Last-Event-ID` when you come back: control events of the "
        "last 24 h follow in their order, each once. What is no longer kept is said: `event: gap`, with how "
        "many were `missed`. Blocks without `data` only move the id.\n\n"
        "**Data events** (`endpoint.data-collection...`) have no id and are told live only; whoever reads "
        "too slowly is told `event: lost` with their `count`. Ask for other types if you need none.\n\n"
        "Silence lasts 15 s at most (`: heartbeat`). `event: end` says why the server ends it: it is "
        "stopping, or the key is no longer accepted.",
        live=True,
        answer={"type": "string"},
        response_example=EXAMPLE,
        errors={
            429: "The API key has as many streams open as it may, or makes more requests than it may.",
            503: "No more streams at a time, or the bus is away; come back.",
        },
    ),
)
