"""Create the durable consumers of the suite, and upgrade them only when the code is newer (see streams)."""

from typing import Any

import structlog

from libs.bus.jetstream import NS, REVISION_KEY, STREAM_NOT_FOUND, ApiAnswer, JetStreamApi
from libs.bus.servers import BusRefusedError
from libs.contracts.errors import UnavailableError
from libs.contracts.streams import ConsumerSpec

_NOT_FOUND = 10014
_TAKEN = frozenset({10013, 10105, 10148})
_ATTEMPT_S = 1.0
_DEADLINE_S = 60.0
_log = structlog.get_logger()


class Consumers:
    """JetStream's consumer API, as far as those who drain streams need it."""

    def __init__(self, api: JetStreamApi) -> None:
        """Use JetStream."""
        self._api = api

    async def ensure(self, spec: ConsumerSpec, *, deadline_s: float = _DEADLINE_S) -> None:
        """Create a consumer, or bring it to the revision of ``spec`` if that is higher.

        Raises:
            BusRefusedError: JetStream will not keep such a consumer; one line says why.
            UnavailableError: The stream does not exist, or JetStream did not answer in time.
        """
        found = await self._ask("INFO", spec, None, deadline_s)
        if found.failed(_NOT_FOUND):
            found = await self._ask("CREATE", spec, "create", deadline_s)
            if found.error is not None and found.error.err_code in _TAKEN:
                found = await self._ask("INFO", spec, None, deadline_s)  # another version was faster
            elif found.error is None:
                _log.info("consumer_created", consumer=spec.name, stream=spec.stream, revision=spec.revision)
        _raise_for(found, spec)
        if found.revision < spec.revision:
            _raise_for(await self._ask("CREATE", spec, "update", deadline_s), spec)
            _log.info("consumer_upgraded", consumer=spec.name, stream=spec.stream, revision=spec.revision)

    async def _ask(self, verb: str, spec: ConsumerSpec, action: str | None, deadline_s: float) -> ApiAnswer:
        body = None
        if action is not None:
            body = {"stream_name": spec.stream, "config": _config(spec), "action": action}
        name = f"{spec.stream}.{spec.name}"
        return await self._api.ask(
            f"CONSUMER.{verb}", name, body, attempt_s=_ATTEMPT_S, deadline_s=deadline_s
        )


def _config(spec: ConsumerSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "durable_name": spec.name,
        "description": spec.description,
        "filter_subjects": list(spec.subjects),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(spec.ack_wait_s * NS),
        "max_deliver": -1,
        "max_ack_pending": spec.max_ack_pending,
        "replay_policy": "instant",
        "metadata": {REVISION_KEY: str(spec.revision)},
    }


def _raise_for(answer: ApiAnswer, spec: ConsumerSpec) -> None:
    if answer.error is None:
        return
    problem = f"consumer {spec.name} of {spec.stream}: {answer.error.description}"
    if answer.failed(STREAM_NOT_FOUND):
        raise UnavailableError(problem)
    raise BusRefusedError(problem)
