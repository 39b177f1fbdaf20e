"""Let a caller in, or say why not."""

import math
from dataclasses import dataclass

from libs.bus.token_buckets import Buckets
from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.errors import TooManyRequestsError
from services.api_gateway import metrics
from services.api_gateway.domain import check_expiry, check_scope, presented_key
from services.api_gateway.ports import Clock, Keys


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        api_key: What is known of the key.
        secret: The key itself; only "who am I" passes it on.
    """

    api_key: ApiKey
    secret: str

    def __repr__(self) -> str:
        """Name the key by its id, so that no log line or assertion shows the secret."""
        return f"Caller({self.api_key.api_key_id})"


@dataclass(frozen=True, slots=True)
class Presented:
    """The headers in which a key may come."""

    authorization: str | None
    iamcore_key: str | None


async def identify(presented: Presented, *, keys: Keys, clock: Clock) -> Caller:
    """Find out whose call it is.

    Raises:
        UnauthorizedError: No key, or none that is accepted.
    """
    secret = presented_key(presented.authorization, presented.iamcore_key)
    api_key = await keys.check(secret)
    check_expiry(api_key, now=clock.now())
    return Caller(api_key, secret)


def within_rate(caller: Caller, *, buckets: Buckets) -> None:
    """Count one request of a key.

    Raises:
        TooManyRequestsError: It makes more than it may; nothing is counted.
    """
    wait_s = buckets.take(caller.api_key.api_key_id)
    if wait_s:
        metrics.LIMITED.inc()
        raise TooManyRequestsError(
            f"the API key may make {buckets.rate:g} requests a second", retry_after_s=math.ceil(wait_s)
        )


def permit(caller: Caller, needed: Scope, *, whole: bool) -> None:
    """Let the caller do what needs this scope; ``whole`` as in :func:`check_scope`.

    Raises:
        ForbiddenError: The key does not reach that far.
    """
    check_scope(caller.api_key, needed, whole=whole)
