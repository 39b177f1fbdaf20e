"""Applications, their versions and their configuration, as operators manage them (Kaa Tekton)."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import Operation


class AppVersion(Struct, rename="camel", frozen=True):
    """A version; ``name`` is ``<application>-<suffix>``. Dates are ISO 8601 UTC."""

    name: str
    display_name: str
    description: str
    created_date: str
    updated_date: str


class Application(Struct, rename="camel", frozen=True):
    """An application; ``name`` never changes, ``displayName`` is free. Dates are ISO 8601 UTC."""

    name: str
    display_name: str
    description: str
    created_date: str
    updated_date: str
    versions: list[AppVersion] = []


class NewApplication(Struct, rename="camel", frozen=True):
    """What creates an application.

    Attributes:
        name: ``^[a-z0-9_-]+$``; generated (20 characters) when absent.
        display_name: Shown to people, at most 256 characters; the name when absent.
        description: Free text, at most 1,024 bytes in UTF-8.
    """

    name: str | None = None
    display_name: str | None = None
    description: str | None = None


class NewAppVersion(Struct, rename="camel", frozen=True):
    """What creates a version: its suffix ``^[a-z0-9]+$``."""

    name_suffix: str
    display_name: str | None = None
    description: str | None = None


class DisplayChange(Struct, rename="camel", frozen=True):
    """What may change of an application or version; absent fields stay as they are."""

    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class ListApplications(ManagementRequest, frozen=True, kw_only=True):
    """All applications the key may see.

    Attributes:
        after: ``next`` of the reply before; empty = from the beginning.
    """

    after: str = ""


class CreateApplication(ManagementRequest, frozen=True, kw_only=True):
    """A new application."""

    body: NewApplication


class GetApplication(ManagementRequest, frozen=True, kw_only=True):
    """One application with its versions."""

    application_name: str


class UpdateApplication(ManagementRequest, frozen=True, kw_only=True):
    """Change what people see of an application."""

    application_name: str
    body: DisplayChange


class DeleteApplication(ManagementRequest, frozen=True, kw_only=True):
    """Remove an application; 409 while it has endpoints unless ``force``, which removes them too."""

    application_name: str
    force: bool = False


class ListVersions(ManagementRequest, frozen=True, kw_only=True):
    """Versions of an application."""

    application_name: str


class CreateVersion(ManagementRequest, frozen=True, kw_only=True):
    """A new version."""

    application_name: str
    body: NewAppVersion


class GetVersion(ManagementRequest, frozen=True, kw_only=True):
    """One version."""

    application_name: str
    version_name: str


class UpdateVersion(ManagementRequest, frozen=True, kw_only=True):
    """Change what people see of a version."""

    application_name: str
    version_name: str
    body: DisplayChange


class DeleteVersion(ManagementRequest, frozen=True, kw_only=True):
    """Remove a version; 409 while endpoints are at it."""

    application_name: str
    version_name: str


class GetAppConfig(ManagementRequest, frozen=True, kw_only=True):
    """Configuration of a service instance for an application, or for one version of it."""

    application_name: str
    service_instance_name: str
    version_name: str | None = None


class PutAppConfig(ManagementRequest, frozen=True, kw_only=True):
    """Replace that configuration.

    Attributes:
        application_name: The application.
        service_instance_name: ``epmx`` (``metadata-keys``), ``kpc``
            (``allowed-extension-instances``) or any other instance endpoint-register keeps.
        version_name: The version; None = the application itself.
        body: The document in Kaa's envelope
            ``{"<svc>":{"kaa":{"applications":{"<app>":{..., "versions":{"<v>":{...}}}}}}}``.
    """

    application_name: str
    service_instance_name: str
    version_name: str | None = None
    body: dict[str, Any]


class PatchAppConfig(ManagementRequest, frozen=True, kw_only=True):
    """Change parts of that configuration.

    Attributes:
        application_name: The application.
        service_instance_name: As for :class:`PutAppConfig`.
        version_name: The version; None = the application itself.
        body: A JSON Merge Patch (RFC 7396) of the document, in the same envelope.
    """

    application_name: str
    service_instance_name: str
    version_name: str | None = None
    body: dict[str, Any]


class ListAppConfigs(ManagementRequest, frozen=True, kw_only=True):
    """All configuration of a service instance that the key may see."""

    service_instance_name: str


class PutAppConfigs(ManagementRequest, frozen=True, kw_only=True):
    """Replace configuration of several applications and versions.

    Attributes:
        service_instance_name: As for :class:`PutAppConfig`.
        body: The documents, in one envelope.
    """

    service_instance_name: str
    body: dict[str, Any]


class ConfiguredPlace(Struct, rename="camel", frozen=True):
    """What a document of configuration is for.

    Attributes:
        application_name: The application.
        version_name: The version of it; null = the application itself.
    """

    application_name: str
    version_name: str | None = None


class WrittenConfigs(Struct, rename="camel", frozen=True):
    """What was written.

    Attributes:
        written: For what, in the order of the request.
    """

    written: list[ConfiguredPlace]


class ApplicationReply(Reply, frozen=True, kw_only=True):
    """One application."""

    body: Application


class ApplicationsReply(Reply, frozen=True, kw_only=True):
    """Applications, oldest first: as many as fit into a message.

    Attributes:
        body: The applications.
        next: What to send as ``after`` for those that follow; empty = there are none.
    """

    body: list[Application]
    next: str = ""


class VersionReply(Reply, frozen=True, kw_only=True):
    """One version."""

    body: AppVersion


class VersionsReply(Reply, frozen=True, kw_only=True):
    """Versions, oldest first."""

    body: list[AppVersion]


class AppConfigReply(Reply, frozen=True, kw_only=True):
    """A configuration in Kaa's envelope."""

    body: dict[str, Any]


class WrittenConfigsReply(Reply, frozen=True, kw_only=True):
    """What was written."""

    body: WrittenConfigs


class EmptyReply(Reply, frozen=True, kw_only=True):
    """Done; there is nothing to tell."""


_OWNER = "endpoint-register"
_PROTOCOL = "applications"

LIST_APPLICATIONS = Operation(
    _OWNER, _PROTOCOL, "list", ListApplications, ApplicationsReply, "List applications."
)
CREATE_APPLICATION = Operation(
    _OWNER, _PROTOCOL, "create", CreateApplication, ApplicationReply, "Create an application."
)
GET_APPLICATION = Operation(
    _OWNER, _PROTOCOL, "get", GetApplication, ApplicationReply, "Read an application."
)
UPDATE_APPLICATION = Operation(
    _OWNER, _PROTOCOL, "update", UpdateApplication, ApplicationReply, "Change an application."
)
DELETE_APPLICATION = Operation(
    _OWNER, _PROTOCOL, "delete", DeleteApplication, EmptyReply, "Remove an application."
)
LIST_VERSIONS = Operation(_OWNER, _PROTOCOL, "list-versions", ListVersions, VersionsReply, "List versions.")
CREATE_VERSION = Operation(
    _OWNER, _PROTOCOL, "create-version", CreateVersion, VersionReply, "Create a version."
)
GET_VERSION = Operation(_OWNER, _PROTOCOL, "get-version", GetVersion, VersionReply, "Read a version.")
UPDATE_VERSION = Operation(
    _OWNER, _PROTOCOL, "update-version", UpdateVersion, VersionReply, "Change a version."
)
DELETE_VERSION = Operation(
    _OWNER, _PROTOCOL, "delete-version", DeleteVersion, EmptyReply, "Remove a version."
)
GET_APP_CONFIG = Operation(
    _OWNER, _PROTOCOL, "get-config", GetAppConfig, AppConfigReply, "Read a configuration."
)
PUT_APP_CONFIG = Operation(
    _OWNER, _PROTOCOL, "put-config", PutAppConfig, AppConfigReply, "Replace a configuration."
)
PATCH_APP_CONFIG = Operation(
    _OWNER, _PROTOCOL, "patch-config", PatchAppConfig, AppConfigReply, "Change parts of a configuration."
)
LIST_APP_CONFIGS = Operation(
    _OWNER, _PROTOCOL, "list-configs", ListAppConfigs, AppConfigReply, "Read all configurations."
)
PUT_APP_CONFIGS = Operation(
    _OWNER, _PROTOCOL, "put-configs", PutAppConfigs, WrittenConfigsReply, "Replace several configurations."
)
