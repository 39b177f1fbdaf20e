"""Composition root: the only file that knows all the others."""

from datetime import timedelta

from libs.bus import connect_bus
from libs.contracts.errors import ConflictError
from libs.contracts.streams import audit_stream
from libs.process import Process, SettingsError, SystemClock
from libs.store import open_store
from services.credential_manager.bus_api import (
    AuditHandlers,
    BusApi,
    BusEndpointDirectory,
    BusEventPublisher,
    keep_audit,
)
from services.credential_manager.domain import (
    ApiKey,
    EndpointToken,
    FingerprintKeyError,
    Fingerprints,
    SecretBox,
    SenmlCredential,
)
from services.credential_manager.mongo import (
    MongoApiKeyRepository,
    MongoAuditRepository,
    MongoSenmlRepository,
    MongoTokenRepository,
)
from services.credential_manager.ports import Parts
from services.credential_manager.settings import Settings
from services.credential_manager.system import SystemEntropy
from services.credential_manager.usecases.announcing import Announcer, Pace
from services.credential_manager.usecases.api_keys import seed_admin_key
from services.credential_manager.usecases.auditing import AuditParts, keep_forgetting

_MIN_ADMIN_KEY_LENGTH = 16


async def build(process: Process) -> None:
    """Wait for NATS and the store, seed the admin key, serve, and keep telling what changed."""
    settings = process.load(Settings)
    fingerprints = _fingerprints(process.settings.secrets_key)
    _check_admin_key(settings.admin_key)
    store = await open_store(process)
    bus = await connect_bus(process)
    await bus.ensure_stream(audit_stream(bus.subjects))
    tokens, senml = MongoTokenRepository(store), MongoSenmlRepository(store)
    api_keys, records = MongoApiKeyRepository(store), MongoAuditRepository(store)
    for repository in (tokens, senml, api_keys, records):
        await repository.prepare()
    clock = SystemClock()
    announcer = Announcer(
        {EndpointToken: tokens, ApiKey: api_keys, SenmlCredential: senml},
        events=BusEventPublisher(bus),
        clock=clock,
        pace=Pace(tell_within_s=settings.tell_within_s, sweep_every_s=settings.sweep_every_s),
    )
    parts = Parts(
        tokens=tokens,
        senml=senml,
        api_keys=api_keys,
        endpoints=BusEndpointDirectory(bus),
        announcing=announcer,
        fingerprints=fingerprints,
        secrets=SecretBox(process.settings.secrets_key),
        clock=clock,
        entropy=SystemEntropy(),
        tell_within_s=settings.tell_within_s,
    )
    await _seed(settings.admin_key, parts)
    process.supervise("announcing", announcer.run())
    process.on_stop("announcing", announcer.stop)
    auditing = AuditParts(
        records=records,
        endpoints=parts.endpoints,
        clock=clock,
        kept_for=timedelta(days=settings.audit_retention_days),
    )
    handlers = AuditHandlers(auditing)
    process.supervise("keeping the audit trail", keep_audit(bus, handlers))
    process.supervise("forgetting", keep_forgetting(auditing, every_s=settings.audit_forget_every_s))
    process.on_stop("audit trail", bus.stop_consuming)
    await BusApi(parts).serve(bus)
    await handlers.serve(bus)
    process.on_stop("bus requests", bus.stop_serving)


async def _seed(admin_key: str | None, parts: Parts) -> None:
    if admin_key is None:
        return
    try:
        await seed_admin_key(admin_key, parts=parts)
    except ConflictError as error:
        raise SettingsError((error.reason_phrase,)) from error


def _fingerprints(secrets_key: str) -> Fingerprints:
    try:
        return Fingerprints(secrets_key)
    except FingerprintKeyError as error:
        raise SettingsError((f"GROVE_SECRETS_KEY {error}",)) from error


def _check_admin_key(admin_key: str | None) -> None:
    if admin_key is not None and len(admin_key) < _MIN_ADMIN_KEY_LENGTH:
        raise SettingsError((f"GROVE_ADMIN_KEY must have at least {_MIN_ADMIN_KEY_LENGTH} characters",))
