"""JetStream's API: asked until it answers, shared by what manages streams and consumers."""

import asyncio
from typing import Any

import msgspec

from libs.bus.connection import Connection, NotSentError
from libs.bus.requests import NobodyThereError, Requester, SilenceError, pauses_s
from libs.contracts.errors import UnavailableError

REVISION_KEY = "grove_revision"
NS = 1_000_000_000

STREAM_NOT_FOUND = 10059
_ATTEMPT_S = 5.0
_DEADLINE_S = 60.0
_FIRST_SERVER_ERROR = 500


class ApiError(msgspec.Struct):
    """An error answered by JetStream.

    Attributes:
        code: Like an HTTP status.
        err_code: Names the error exactly.
        description: One sentence.
    """

    code: int = 500
    err_code: int = 0
    description: str = ""

    @property
    def passes(self) -> bool:
        """Whether it may be different in a moment: full, no quorum, no leader, starting."""
        return self.code >= _FIRST_SERVER_ERROR


class ApiAnswer(msgspec.Struct):
    """What JetStream says about a stream, a consumer or a message."""

    error: ApiError | None = None
    config: dict[str, Any] = {}
    created: str = ""
    state: dict[str, Any] = {}
    ack_floor: dict[str, Any] = {}
    message: dict[str, Any] = {}

    @property
    def revision(self) -> int:
        """Which of our declarations it was made or changed by last; 0 = none."""
        text = (self.config.get("metadata") or {}).get(REVISION_KEY, "0")
        return int(text) if text.isdigit() else 0

    def failed(self, err_code: int) -> bool:
        """Whether it is this very error."""
        return self.error is not None and self.error.err_code == err_code


_decode = msgspec.json.Decoder(ApiAnswer).decode


class JetStreamApi:
    """Asks JetStream about streams and consumers."""

    def __init__(self, connection: Connection, requester: Requester) -> None:
        """Use a connection."""
        self._connection = connection
        self._requester = requester

    @property
    def in_cluster(self) -> bool:
        """Whether the server said that it belongs to a cluster."""
        return self._connection.client.in_cluster

    async def ask(
        self,
        verb: str,
        name: str,
        body: dict[str, Any] | None = None,
        *,
        attempt_s: float = _ATTEMPT_S,
        deadline_s: float = _DEADLINE_S,
    ) -> ApiAnswer:
        """Ask until JetStream answers: it may be starting, or electing a leader.

        Args:
            verb: As in subjects: ``STREAM.INFO``.
            name: Of the stream, or ``<stream>.<consumer>``.
            body: What is wanted, if anything.
            attempt_s: How long one request waits for its answer.
            deadline_s: How long to repeat it.

        Raises:
            UnavailableError: No answer, or none but errors that pass.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        packed = b"" if body is None else msgspec.json.encode(body)
        pauses = pauses_s()
        while True:
            try:
                await self._connection.usable(within_s=deadline - loop.time())
                msg = await self._requester.exchange(f"$JS.API.{verb}.{name}", packed, timeout_s=attempt_s)
                answer = _decode(msg.data)
                if answer.error is None or not answer.error.passes:
                    return answer
                problem = answer.error.description
            except (NobodyThereError, NotSentError, SilenceError, UnavailableError) as error:
                problem = error.reason_phrase
            if loop.time() >= deadline:
                raise UnavailableError(f"{name}: {problem}")
            await asyncio.sleep(next(pauses))
