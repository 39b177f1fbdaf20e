"""Create the streams of the suite, and upgrade them only when the code is newer.

Replicas of two versions may start in any order and at the same time: the revision in the
stream's metadata decides, and an older replica leaves a newer stream alone (protocol/bus.md).
"""

from datetime import datetime
from typing import Any

import structlog

from libs.bus.jetstream import NS, REVISION_KEY, STREAM_NOT_FOUND, ApiAnswer, JetStreamApi
from libs.bus.servers import BusRefusedError
from libs.contracts.errors import UnavailableError
from libs.contracts.instants import unix_ms
from libs.contracts.streams import StreamSpec

_NAME_TAKEN = 10058
_REPLICAS_IN_CLUSTER = 3
_ATTEMPT_S = 1.0
_log = structlog.get_logger()


class Streams:
    """JetStream's stream API, as far as the suite needs it."""

    def __init__(self, api: JetStreamApi) -> None:
        """Use JetStream."""
        self._api = api

    async def ensure(self, spec: StreamSpec) -> None:
        """Create a stream, or bring it to the revision of ``spec`` if that is higher.

        Raises:
            BusRefusedError: JetStream will not keep such a stream; one line says why.
            UnavailableError: JetStream did not answer for a minute.
        """
        found = await self._api.ask("STREAM.INFO", spec.name)
        if found.failed(STREAM_NOT_FOUND):
            found = await self._create(spec)
        _raise_for(found, spec)
        if found.revision < spec.revision:
            wanted = found.config | _config(spec)
            _raise_for(await self._api.ask("STREAM.UPDATE", spec.name, wanted), spec)
            _log.info("stream_upgraded", stream=spec.name, revision=spec.revision)

    async def created_ms(self, name: str, *, deadline_s: float) -> int:
        """Tell when a stream was created: its sequences began then.

        Raises:
            UnavailableError: It does not exist, or JetStream did not answer in time.
        """
        found = await self._api.ask("STREAM.INFO", name, attempt_s=_ATTEMPT_S, deadline_s=deadline_s)
        if found.error is not None:
            raise UnavailableError(f"stream {name}: {found.error.description}")
        return unix_ms(datetime.fromisoformat(found.created))

    async def _create(self, spec: StreamSpec) -> ApiAnswer:
        config = _config(spec) | {
            "storage": "file",
            "num_replicas": _REPLICAS_IN_CLUSTER if self._api.in_cluster else 1,
        }
        created = await self._api.ask("STREAM.CREATE", spec.name, config)
        if created.failed(_NAME_TAKEN):
            return await self._api.ask("STREAM.INFO", spec.name)  # another version was faster
        if created.error is None:
            _log.info("stream_created", stream=spec.name, revision=spec.revision)
        return created


def _config(spec: StreamSpec) -> dict[str, Any]:
    """Spell what ``spec`` decides; everything else stays as the operator set it."""
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "discard": spec.discard,
        "max_age": int(spec.max_age_s * NS),
        "max_bytes": spec.max_bytes,
        "duplicate_window": int(spec.duplicate_window_s * NS),
        "metadata": {REVISION_KEY: str(spec.revision)},
    }


def _raise_for(answer: ApiAnswer, spec: StreamSpec) -> None:
    if answer.error is not None:
        raise BusRefusedError(f"stream {spec.name}: {answer.error.description}")
