"""SenML packs of KPN Things devices: proved, checked, made durable (protocol/senml.md).

The order of checks is the page's: what can be refused without knowing anybody is refused first, then the
device has to be known, then its token has to fit the very bytes, and only then is the rest looked at.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from libs.bus.device_secrets import DeviceSecrets
from libs.bus.ingest import Ingest
from libs.bus.seen import SeenReporter
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ingest import SENML_RESOURCE, IngestMessage
from libs.contracts.instants import unix_ms
from libs.contracts.senml import MAX_PACK_BYTES, decode_pack, device_of, resolve_uplink

_MS: Final = 1000
_encode = msgspec.json.encode


class Packs:
    """Takes the packs of SenML devices."""

    def __init__(
        self,
        secrets: DeviceSecrets,
        ingest: Ingest,
        buckets: TokenBuckets,
        seen: SeenReporter,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._secrets = secrets
        self._ingest = ingest
        self._buckets = buckets
        self._seen = seen
        self._now = now

    async def take(self, body: bytes, token: str | None) -> bytes:
        """Take a pack; returns what the device is told: a downlink, or nothing.

        Args:
            body: As received; the token is over these bytes.
            token: The header ``Things-Message-Token``.

        Raises:
            BadRequestError: No token, no SenML, or not of a device of ours.
            PayloadTooLargeError: More than 64 KiB, or more records than a pack may have.
            NotFoundError: The device is not recognised.
            ForbiddenError: The token is not verified.
            TooManyRequestsError: The endpoint is over its rate.
            UnavailableError: It cannot be found out, or made durable, now.
        """
        check_pack_size(len(body))
        if not token:
            raise BadRequestError("header Things-Message-Token is missing")
        pack = decode_pack(body)
        dvn_uuid = device_of(pack)
        device = await self._secrets.verify(dvn_uuid, body, token)
        now_ms = unix_ms(self._now())
        records = resolve_uplink(pack, dvn_uuid=dvn_uuid, now=now_ms / _MS)
        self._seen.note(device.endpoint_id, device.app_version_name)
        await self._buckets.admit(device.endpoint_id, len(records))
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        message = IngestMessage(
            device.endpoint_id, device.app_version_name, SENML_RESOURCE, _encode(records), now_ms
        )
        self._ingest.put(message, durable, samples=len(records))
        await durable
        return b""


def check_pack_size(body_bytes: int) -> None:
    """Refuse a pack above the limit of SenML ingestion.

    Raises:
        PayloadTooLargeError: It is.
    """
    if body_bytes > MAX_PACK_BYTES:
        raise PayloadTooLargeError(f"a pack has at most {MAX_PACK_BYTES} bytes")
