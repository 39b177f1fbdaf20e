"""Create the streams of the suite, and upgrade them only when the code is newer.

Replicas of two versions may start in any order and at the same time: the revision in the
stream's metadata decides, and an older replica leaves a newer stream alone (protocol/bus.md).
"""

import asyncio
from typing import Any

import msgspec
import structlog

from libs.bus.connection import Connection, NotSentError
from libs.bus.jetstream import ApiError
from libs.bus.requests import NobodyThereError, Requester, SilenceError, pauses_s
from libs.bus.servers import BusRefusedError
from libs.contracts.errors import UnavailableError
from libs.contracts.streams import StreamSpec

REVISION_KEY = "grove_revision"

_ATTEMPT_S = 5.0
_DEADLINE_S = 60.0
_NOT_FOUND = 10059
_NAME_TAKEN = 10058
_NS = 1_000_000_000
_REPLICAS_IN_CLUSTER = 3
_log = structlog.get_logger()


class _Answer(msgspec.Struct):
    error: ApiError | None = None
    config: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Answer).decode


class Streams:
    """JetStream's stream API, as far as owners of streams need it."""

    def __init__(self, connection: Connection, requester: Requester) -> None:
        """Use a connection."""
        self._connection = connection
        self._requester = requester

    async def ensure(self, spec: StreamSpec) -> None:
        """Create a stream, or bring it to the revision of ``spec`` if that is higher.

        Raises:
            BusRefusedError: JetStream will not keep such a stream; one line says why.
            UnavailableError: JetStream did not answer for a minute.
        """
        found = await self._api("INFO", spec.name)
        if found.error is not None and found.error.err_code == _NOT_FOUND:
            found = await self._create(spec)
        _raise_for(found, spec)
        if _revision(found) < spec.revision:
            wanted = found.config | _config(spec)
            _raise_for(await self._api("UPDATE", spec.name, wanted), spec)
            _log.info("stream_upgraded", stream=spec.name, revision=spec.revision)

    async def _create(self, spec: StreamSpec) -> _Answer:
        config = _config(spec) | {
            "storage": "file",
            "num_replicas": _REPLICAS_IN_CLUSTER if self._connection.client.in_cluster else 1,
        }
        created = await self._api("CREATE", spec.name, config)
        if created.error is not None and created.error.err_code == _NAME_TAKEN:
            return await self._api("INFO", spec.name)  # another version was faster
        if created.error is None:
            _log.info("stream_created", stream=spec.name, revision=spec.revision)
        return created

    async def _api(self, verb: str, stream: str, config: dict[str, Any] | None = None) -> _Answer:
        """Ask until JetStream answers: it may be starting, or electing a leader."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DEADLINE_S
        body = b"" if config is None else msgspec.json.encode(config)
        pauses = pauses_s()
        while True:
            try:
                await self._connection.usable(within_s=deadline - loop.time())
                msg = await self._requester.exchange(
                    f"$JS.API.STREAM.{verb}.{stream}", body, timeout_s=_ATTEMPT_S
                )
                answer = _decode(msg.data)
                if answer.error is None or not answer.error.passes:
                    return answer
                problem = answer.error.description
            except (NobodyThereError, NotSentError, SilenceError, UnavailableError) as error:
                problem = error.reason_phrase
            if loop.time() >= deadline:
                raise UnavailableError(f"stream {stream}: {problem}")
            await asyncio.sleep(next(pauses))


def _config(spec: StreamSpec) -> dict[str, Any]:
    """Spell what ``spec`` decides; everything else stays as the operator set it."""
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "discard": spec.discard,
        "max_age": int(spec.max_age_s * _NS),
        "max_bytes": spec.max_bytes,
        "duplicate_window": int(spec.duplicate_window_s * _NS),
        "metadata": {REVISION_KEY: str(spec.revision)},
    }


def _revision(answer: _Answer) -> int:
    text = (answer.config.get("metadata") or {}).get(REVISION_KEY, "0")
    return int(text) if text.isdigit() else 0


def _raise_for(answer: _Answer, spec: StreamSpec) -> None:
    if answer.error is not None:
        raise BusRefusedError(f"stream {spec.name}: {answer.error.description}")
