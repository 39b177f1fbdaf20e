"""What the supervisor knows of a process: how to start it and how to see that it is ready.

NATS, the store and our services differ in both; :mod:`deploy.local.nats_program`,
:mod:`deploy.local.store_program` and :mod:`deploy.local.service_program` each say how. All keep the ports
of their first start for later ones.
"""

from typing import Protocol

from deploy.local.children import Child, Command
from deploy.local.process_log import ProcessLog


class Program(Protocol):
    """One process of the stack, over all its restarts."""

    @property
    def name(self) -> str:
        """Name of its row."""
        ...

    @property
    def index(self) -> int:
        """Number of the replica, from 0."""
        ...

    @property
    def log(self) -> ProcessLog:
        """Where its output goes."""
        ...

    def command(self) -> Command:
        """Prepare the next start, writing the files it needs."""
        ...

    async def missing(self, child: Child) -> str | None:
        """Return what keeps the running process from being ready; None when it is."""
        ...
