"""What names look like, for documentation: the owners of the data hold callers to it."""

from collections.abc import Mapping
from typing import Final

APPLICATION: Final = "^[a-z0-9_-]{1,256}$"
VERSION: Final = "^[a-z0-9_-]{1,256}-[a-z0-9]{1,256}$"
ENDPOINT: Final = "^[a-zA-Z0-9._~-]{1,256}$"
_KEY: Final = "^[a-zA-Z0-9_]{1,256}$"
_TOKEN: Final = r"^[^+#/.\x00-\x1f\x7f-\x9f]{1,256}$"  # noqa: S105 - what one looks like

OF_PARAMETERS: Final[Mapping[str, str]] = {
    "applicationName": APPLICATION,
    "versionName": VERSION,
    "appVersion": VERSION,
    "serviceInstanceName": "^[a-z0-9_-]{1,64}$",
    "endpointId": ENDPOINT,
    "endpointIdPrefix": "^[a-zA-Z0-9._~-]{0,256}$",
    "key": _KEY,
}
"""By name."""

OF_FIELDS: Final[Mapping[str, str]] = {
    "AppVersionRef.name": VERSION,
    "EndpointSearch.endpointIdPrefix": "^[a-zA-Z0-9._~-]{0,256}$",
    "NewApiKey.applications": APPLICATION,
    "NewAppVersion.nameSuffix": "^[a-z0-9]{1,256}$",
    "NewApplication.name": APPLICATION,
    "NewEndpoint.endpointId": ENDPOINT,
    "NewEndpoint.endpointToken": _TOKEN,
    "NewEndpoint.metadata": _KEY,
    "NewSenmlCredential.dvnUuid": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "NewSenmlCredential.endpointId": ENDPOINT,
    "NewSenmlCredential.sharedSecret": "^[0-9a-zA-Z]{30,100}$",
    "NewToken.applicationName": APPLICATION,
    "NewToken.token": _TOKEN,
}
"""By Struct and field of a body; of an array each entry, of an object each key."""
