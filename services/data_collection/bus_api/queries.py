"""Handlers of time series and their configuration, and the ports of both whose other side is the bus."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

from libs.bus import Bus, LookupCache
from libs.contracts import time_series as contract
from libs.contracts.applications import (
    GET_APPLICATION,
    AppConfigReply,
    Application,
    EmptyReply,
    GetAppConfig,
    GetApplication,
    ListAppConfigs,
    PatchAppConfig,
    PutAppConfig,
    PutAppConfigs,
    WrittenConfigsReply,
)
from libs.contracts.endpoints import GET_ENDPOINT, GetEndpoint
from libs.contracts.errors import NotFoundError
from libs.contracts.ids import application_of
from libs.contracts.lifecycle import (
    CONFIGURATION_DELETED,
    CONFIGURATION_UPSERTED,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import EventT, Reply
from libs.contracts.subjects import AnyEventType, AnyOperation, Subjects
from services.data_collection.domain.configuration import DEFAULT, TimeSeriesConfiguration
from services.data_collection.ports.querying import ConfigurationRepository
from services.data_collection.usecases import configuring, querying, writing

Handler = Callable[[Any], Awaitable[Reply]]

_MAX_VERSIONS: Final = 10_000
_ASK_S: Final = 3.0
_TELL_S: Final = 2.0

_SERIES: dict[AnyOperation, Callable[["SeriesHandlers"], Handler]] = {
    contract.LIST_TIME_SERIES: lambda on: on.on_list,
    contract.READ_LAST: lambda on: on.on_last,
    contract.READ_DATA: lambda on: on.on_data,
    contract.WRITE_DATA: lambda on: on.on_write,
    contract.GET_SERIES_CONFIG: lambda on: on.on_get_configuration,
    contract.PUT_SERIES_CONFIG: lambda on: on.on_put_configuration,
    contract.PATCH_SERIES_CONFIG: lambda on: on.on_patch_configuration,
    contract.LIST_SERIES_CONFIGS: lambda on: on.on_list_configurations,
    contract.PUT_SERIES_CONFIGS: lambda on: on.on_put_configurations,
}
QUERY_SUBJECTS: tuple[AnyOperation | AnyEventType, ...] = (*_SERIES, contract.SERIES_CONFIGURED)


class SeriesHandlers:
    """One method for each operation."""

    def __init__(
        self,
        *,
        queries: querying.QueryParts,
        writing_parts: writing.WritingParts,
        configuration: configuring.ConfigurationParts,
    ) -> None:
        self._queries = queries
        self._writing = writing_parts
        self._configuration = configuration

    async def on_list(self, request: contract.ListTimeSeries) -> contract.TimeSeriesReply:
        return contract.TimeSeriesReply(body=await querying.list_series(request, parts=self._queries))

    async def on_last(self, request: contract.ReadLast) -> contract.LastReply:
        found, after = await querying.read_last(request, parts=self._queries)
        return contract.LastReply(body=found, next=after)

    async def on_data(self, request: contract.ReadData) -> contract.DataReply:
        page = await querying.read_data(request, parts=self._queries)
        return contract.DataReply(runs=page.runs, next="" if page.next is None else page.next.encoded())

    async def on_write(self, request: contract.WriteData) -> EmptyReply:
        await writing.write_data(request, parts=self._writing)
        return EmptyReply(status_code=HTTPStatus.NO_CONTENT.value)

    async def on_get_configuration(self, request: GetAppConfig) -> AppConfigReply:
        return AppConfigReply(body=await configuring.get_configuration(request, parts=self._configuration))

    async def on_put_configuration(self, request: PutAppConfig) -> AppConfigReply:
        return AppConfigReply(body=await configuring.put_configuration(request, parts=self._configuration))

    async def on_patch_configuration(self, request: PatchAppConfig) -> AppConfigReply:
        return AppConfigReply(body=await configuring.patch_configuration(request, parts=self._configuration))

    async def on_list_configurations(self, request: ListAppConfigs) -> AppConfigReply:
        return AppConfigReply(body=await configuring.list_configurations(request, parts=self._configuration))

    async def on_put_configurations(self, request: PutAppConfigs) -> WrittenConfigsReply:
        written = await configuring.put_configurations(request, parts=self._configuration)
        return WrittenConfigsReply(body=written)


async def serve_queries(bus: Bus, handlers: SeriesHandlers) -> None:
    """Answer every operation of :data:`QUERY_SUBJECTS`."""
    for operation, handler in _SERIES.items():
        await bus.serve(
            operation.subject(bus.subjects), operation.request, handler(handlers), queue=operation.instance
        )


class EventSource(Protocol):
    """What is needed of a :class:`libs.bus.Bus` to hear what others change."""

    subjects: Subjects

    async def listen(
        self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]
    ) -> None: ...

    def on_cut(self, callback: Callable[[], None]) -> None: ...


class CachedConfigurations:
    """Keeps configurations in memory: every batch needs one, and they hardly ever change.

    An entry lives at most 30 s; the events of all replicas, this one included, end it sooner, and a
    connection that was cut ends all of them, because events may have been missed.
    """

    def __init__(self, documents: ConfigurationRepository) -> None:
        self._documents = documents
        self._cache: LookupCache[str, TimeSeriesConfiguration] = LookupCache(
            self._load, max_entries=_MAX_VERSIONS
        )

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        """What holds for a version."""
        return await self._cache.get(app_version)

    async def retentions(self) -> dict[str, int]:
        """How long applications keep samples, of those that do not for ever."""
        return await configuring.retentions_of(self._documents)

    async def follow(self, bus: EventSource) -> None:
        """Hear what is changed."""
        await follow_configuration(bus, self._changed, self._cache.clear)

    def _changed(self, event: ConfigurationUpdatedEvent) -> None:
        if event.app_ver_name is not None:
            self._cache.invalidate(event.app_ver_name)
        else:
            self._cache.invalidate_keys(lambda key: application_of(key) == event.app_name)

    async def _load(self, app_version: str) -> TimeSeriesConfiguration:
        application = application_of(app_version)
        if application is None:
            return DEFAULT
        return await configuring.effective(app_version, application, self._documents)


class BusApplications:
    """Asks endpoint-register, and remembers what applications there are."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._cache: LookupCache[str, frozenset[str]] = LookupCache(self._load, max_entries=_MAX_VERSIONS)

    async def check(self, application: str, version: str | None) -> None:
        """Return when they exist."""
        versions = await self._cache.get(application)
        if version is not None and version not in versions:
            raise NotFoundError(f"application {application[:64]!a} has no version {version[:64]!a}")

    async def incarnations(self, application: str) -> dict[str | None, str]:
        """When an application and its versions were created: never two of a name at the same millisecond."""
        try:
            found = await self._ask(application)
        except NotFoundError:
            return {}
        return {None: found.created_date} | {each.name: each.created_date for each in found.versions}

    async def application_of_endpoint(self, endpoint_id: str) -> str:
        """To which application an endpoint belongs."""
        reply = await self._bus.request(
            GET_ENDPOINT.subject(self._bus.subjects),
            GetEndpoint(endpoint_id=endpoint_id),
            GET_ENDPOINT.reply,
            timeout_s=_ASK_S,
        )
        return application_of(reply.body.app_version.name) or ""

    async def follow(self, bus: EventSource) -> None:
        """Hear what is changed."""
        await follow_configuration(
            bus, lambda event: self._cache.invalidate(event.app_name), self._cache.clear
        )

    async def _load(self, application: str) -> frozenset[str]:
        return frozenset(version.name for version in (await self._ask(application)).versions)

    async def _ask(self, application: str) -> Application:
        reply = await self._bus.request(
            GET_APPLICATION.subject(self._bus.subjects),
            GetApplication(application_name=application),
            GET_APPLICATION.reply,
            timeout_s=_ASK_S,
        )
        return reply.body


class BusAnnouncements:
    """Broadcasts that configuration was changed."""

    def __init__(self, bus: Bus, *, new_id: Callable[[], str]) -> None:
        self._bus = bus
        self._new_id = new_id

    async def changed(self, *, application: str, version: str | None, instance: str) -> None:
        """Let everybody forget what was configured."""
        event = ConfigurationUpdatedEvent(
            app_name=application, app_ver_name=version, service_instance_name=instance
        )
        subject = contract.SERIES_CONFIGURED.subject(self._bus.subjects)
        await self._bus.announce(subject, event, msg_id=self._new_id(), deadline_s=_TELL_S)


async def follow_configuration(
    bus: EventSource, handler: Callable[[ConfigurationUpdatedEvent], None], forget: Callable[[], None]
) -> None:
    """Hear every change of configuration; ``forget`` all when some may have been missed."""
    for kind in (CONFIGURATION_UPSERTED, CONFIGURATION_DELETED, contract.SERIES_CONFIGURED):
        await bus.listen(kind.subject(bus.subjects), kind.event, handler)
    bus.on_cut(forget)
