"""From rows of the table to the processes that run: which replicas, with which files, ports and addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import aiohttp

from deploy.local.data_directory import DataDirectory
from deploy.local.disk import streams_bytes
from deploy.local.environment import Backbone, inherited, service_environment
from deploy.local.kept_secrets import KeptSecrets
from deploy.local.nats_program import NatsProgram
from deploy.local.nats_users import nats_users
from deploy.local.problem import RunnerError
from deploy.local.process_log import ProcessLog
from deploy.local.service_program import ServiceProgram, reachable_host
from deploy.local.settings import LocalSettings
from deploy.local.store_program import StoreProgram
from deploy.local.store_server import store_url
from deploy.local.table import Kind, Row
from deploy.local.terminal import Terminal
from libs.contracts.access import OBSERVER

_OTHER_STREAMS_BYTES = 1024**3
"""Room in JetStream beyond the declared streams: key-value buckets, and whoever looks around."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every process of one stack has in common."""

    settings: LocalSettings
    environ: Mapping[str, str]
    data: DataDirectory
    secrets: KeptSecrets
    terminal: Terminal


class Assembly:
    """The processes of one stack, made but not started.

    Attributes:
        nats: The embedded server; None when another is used or none is needed.
        store: The embedded store; None likewise.
        services: Every replica, in the order of the table.
    """

    def __init__(self, rows: Sequence[Row], around: Surroundings, *, session: aiohttp.ClientSession) -> None:
        self._around = around
        self._session = session
        kinds = {row.kind for row in rows}
        self.nats = self._nats() if Kind.NATS in kinds else None
        self.store = self._store() if Kind.STORE in kinds else None
        self.services = [
            self._service(row, index)
            for row in rows
            if row.kind is Kind.SERVICE
            for index in range(row.replicas)
        ]

    @property
    def programs(self) -> list[NatsProgram | StoreProgram | ServiceProgram]:
        """Everything that runs."""
        infrastructure = [program for program in (self.nats, self.store) if program is not None]
        return [*infrastructure, *self.services]

    def nats_url(self, user: str) -> str:
        """Return the address of the bus for a user.

        Raises:
            RunnerError: The contracts name no such user.
        """
        if self._around.settings.nats_url is not None:
            return self._around.settings.nats_url
        if self.nats is None:
            raise RunnerError(f"{user} needs NATS, which is not in the table")
        return self.nats.url(user)

    def mongodb_url(self) -> str:
        """Return the address of the store.

        Raises:
            RunnerError: There is none.
        """
        if self._around.settings.mongodb_url is not None:
            return self._around.settings.mongodb_url
        if self.store is None:
            raise RunnerError("a process needs the store, which is not in the table")
        return store_url(self.store.port)

    def observer_url(self) -> str | None:
        """Return the address of the bus for people, who may only listen to events."""
        if self.nats is None and self._around.settings.nats_url is None:
            return None
        return self.nats_url(OBSERVER)

    def shown_mongodb_url(self) -> str | None:
        """Return the address of the store, where there is one."""
        if self.store is None and self._around.settings.mongodb_url is None:
            return None
        return self.mongodb_url()

    def _log(self, name: str, index: int, *, least: str) -> ProcessLog:
        around = self._around
        label = f"{name}-{index}" if index else name
        return ProcessLog(
            around.data.log(name, index),
            max_bytes=around.settings.log_bytes,
            show=around.terminal.shower(label, least=least),
        )

    def _nats(self) -> NatsProgram:
        settings = self._around.settings
        return NatsProgram(
            self._around.data.nats,
            port=settings.nats_port,
            users=nats_users(self._around.secrets.nats_passwords, root=settings.subject_root),
            file_store_bytes=streams_bytes(settings.subject_root) + _OTHER_STREAMS_BYTES,
            log=self._log("nats", 0, least="warning"),
            session=self._session,
            env=inherited(self._around.environ),
        )

    def _store(self) -> StoreProgram:
        return StoreProgram(
            self._around.data.store,
            port=self._around.settings.store_port,
            log=self._log("store", 0, least="warning"),
            env=inherited(self._around.environ),
        )

    def _service(self, row: Row, index: int) -> ServiceProgram:
        around = self._around
        return ServiceProgram(
            row,
            index,
            host=reachable_host(around.settings.bind),
            environment=partial(
                service_environment,
                row,
                index,
                environ=around.environ,
                settings=around.settings,
                secrets=around.secrets,
                backbone=Backbone(
                    nats_url=self.nats_url,
                    mongodb_url=self.mongodb_url,
                    jetstream_directory=None if self.nats is None else str(self._around.data.nats),
                ),
            ),
            port_file=around.data.port_file(row.name, index),
            log=self._log(row.name, index, least="debug"),
            session=self._session,
        )
