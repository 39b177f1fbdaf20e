"""What happens to endpoints and their metadata (Kaa 9/ELCE, 15/EME), and configuration (17/SCMP)."""

from msgspec import Struct, field

from libs.contracts.messages import Event, Reply, Request
from libs.contracts.subjects import EventType, Operation


class RegisteredEvent(Event, frozen=True, kw_only=True):
    """An endpoint exists.

    Attributes:
        app_version_name: The version it is at.
        endpoint_id: Which endpoint.
    """

    app_version_name: str
    endpoint_id: str


class UnregisteredEvent(Event, frozen=True, kw_only=True):
    """An endpoint is gone, its tokens with it.

    Attributes:
        app_version_name: The version it was at.
        endpoint_id: Which endpoint.
    """

    app_version_name: str
    endpoint_id: str


class AppVersionUpdatedEvent(Event, frozen=True, kw_only=True):
    """An endpoint moved to another version of its application.

    Attributes:
        app_version_name: The version it is at now.
        previous_app_version_name: The version it was at before.
        endpoint_id: Which endpoint.
    """

    app_version_name: str
    previous_app_version_name: str
    endpoint_id: str


class MetadataKeyUpdated(Struct, rename="camel", frozen=True):
    """One key's change.

    Attributes:
        new_value: Its value now, as JSON text; None = JSON null.
        old_value: Its value before, in the same form.
    """

    new_value: str | None = None
    old_value: str | None = None


class MetadataUpdatedEvent(Event, frozen=True, kw_only=True):
    """Metadata of an endpoint changed; values are JSON text, JSON null is None.

    Attributes:
        app_version_name: Version of the endpoint.
        endpoint_id: Whose metadata.
        removed: Keys that are gone, with their last values as JSON text; None = JSON null.
        added: New keys with their values, in the same form.
        updated: Keys whose value changed.
        e_tag: Entity tag of the metadata after the change.
    """

    app_version_name: str
    endpoint_id: str
    removed: dict[str, str | None] = field(default_factory=dict)
    added: dict[str, str | None] = field(default_factory=dict)
    updated: dict[str, MetadataKeyUpdated] = field(default_factory=dict)
    e_tag: str | None = None


class ConfigurationUpdatedEvent(Event, frozen=True, kw_only=True):
    """An application, a version or their configuration changed (or is gone): forget what you know.

    Attributes:
        app_name: The application.
        app_ver_name: The version; None = the application and all its versions.
        service_instance_name: Whose configuration (``epts``); None = the application or version itself.
    """

    app_name: str
    app_ver_name: str | None = None
    service_instance_name: str | None = None


class AppVersionRequest(Request, frozen=True, kw_only=True):
    """Ask what an application version is: transports do, before they look at the token."""

    app_version_name: str


class AppVersionResponse(Reply, frozen=True, kw_only=True):
    """404 when there is no such version.

    Attributes:
        application_name: The application it belongs to.
        extensions: Extensions it allows; None = all.
    """

    application_name: str = ""
    extensions: tuple[str, ...] | None = None


RESOLVE_APP_VERSION = Operation(
    instance="endpoint-register",
    protocol="identity",
    name="app-version-request",
    request=AppVersionRequest,
    reply=AppVersionResponse,
    summary="Application and allowed extensions of an application version.",
)
REGISTERED = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="lifecycle",
    name="registered",
    event=RegisteredEvent,
    summary="An endpoint exists.",
)
UNREGISTERED = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="lifecycle",
    name="unregistered",
    event=UnregisteredEvent,
    summary="An endpoint and its tokens are gone.",
)
APP_VERSION_UPDATED = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="lifecycle",
    name="appversion-updated",
    event=AppVersionUpdatedEvent,
    summary="An endpoint moved to another version of its application.",
)
METADATA_UPDATED = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="metadata",
    name="updated",
    event=MetadataUpdatedEvent,
    summary="Metadata of an endpoint changed.",
)
CONFIGURATION_UPSERTED = EventType(
    originator="endpoint-register",
    entity="service",
    group="configuration",
    name="upsert",
    event=ConfigurationUpdatedEvent,
    summary="An application, a version or its configuration was created or changed.",
)
CONFIGURATION_DELETED = EventType(
    originator="endpoint-register",
    entity="service",
    group="configuration",
    name="delete",
    event=ConfigurationUpdatedEvent,
    summary="An application, a version or its configuration is gone.",
)
