"""A well-behaved client beside the hostile ones: whatever they do, it is answered and never disturbed."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.mqtt_device import device
from tests.support.waiting import eventually

_PAUSE_S = 0.02


class Witness:
    """Publishes with QoS 1 and waits for each answer until told to stop.

    Attributes:
        answered: How many answers came.
        slowest_s: The longest wait for one.
    """

    def __init__(self, port: int, topic: str) -> None:
        self._port = port
        self._topic = topic
        self._stop = threading.Event()
        self.answered = 0
        self.slowest_s = 0.0

    def run(self) -> None:
        with device(self._port, client_id="witness") as made:
            while not self._stop.wait(_PAUSE_S):
                payload = b"%d" % self.answered
                began = time.monotonic()
                told = made.ask(f"{self._topic}/{self.answered}", payload)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                assert told == (f"{self._topic}/{self.answered}/status", payload)
                self.answered += 1
            assert (made.connects, made.disconnects) == (1, [])
            assert made.silent(for_s=0.05)

    def stop(self) -> None:
        self._stop.set()


@asynccontextmanager
async def undisturbed(port: int, topic: str, *, within_s: float = 2.0) -> AsyncIterator[Witness]:
    """Run a witness beside the block; fails if it was disconnected, not answered, or not soon."""
    witness = Witness(port, topic)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(witness.run), name="witness")
        try:
            await _another_answer(witness)
            yield witness
            await _another_answer(witness)
        finally:
            witness.stop()
    assert witness.slowest_s < within_s


async def _another_answer(witness: Witness) -> None:
    before = witness.answered

    async def came() -> bool:
        return witness.answered > before

    await eventually(came, what="the witness is answered")
