"""Endpoints as the tests of listings list them."""

from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.listing import Order, range_of
from tests.support.rest import Json
from tests.unit.endpoint_register.time_and_chance import START

OLIVES, V1, V2 = ApplicationName("olives"), AppVersionName("olives-v1"), AppVersionName("olives-v2")
EVERYTHING = range_of(Order.ENDPOINT_ID, descending=False)


def endpoint(name: str = "tree", **fields: Json) -> Endpoint:
    defaults = {
        "id": EndpointId(name),
        "application": OLIVES,
        "version": V1,
        "version_since": START,
        "created_at": START,
        "incarnation": f"of-{name}",
    }
    return Endpoint(**{**defaults, **fields})
