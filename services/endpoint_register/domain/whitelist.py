"""Which metadata keys the devices of an application version may see and write (Kaa 10/EPMP).

A listed key may be read, and written if it says so; without a list everything is allowed. Operators
are not limited by it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from libs.contracts.errors import ForbiddenError
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.metadata import Metadata, named


@dataclass(frozen=True, slots=True)
class Whitelist:
    """The limits of one version.

    Attributes:
        keys: Key to whether it may be written; None = no limits.
    """

    keys: Mapping[str, bool] | None = None

    def is_readable(self, key: str) -> bool:
        return self.keys is None or key in self.keys

    def is_writable(self, key: str) -> bool:
        return self.keys is None or self.keys.get(key, False)

    def visible(self, metadata: Metadata) -> Metadata:
        """Leave out what a device may not see."""
        if self.keys is None:
            return metadata
        return {key: value for key, value in metadata.items() if key in self.keys}

    def check_readable(self, keys: Collection[str]) -> None:
        """Let a device read these keys.

        Raises:
            ForbiddenError: One of them is not on the list.
        """
        hidden = [key for key in keys if not self.is_readable(key)]
        if hidden:
            raise ForbiddenError(f"not readable for this application version: {named(hidden)}")

    def check_writable(self, keys: Collection[str]) -> None:
        """Let a device write or delete these keys.

        Raises:
            ForbiddenError: One of them is read-only or not on the list.
        """
        closed = [key for key in keys if not self.is_writable(key)]
        if closed:
            raise ForbiddenError(f"not writable for this application version: {named(closed)}")


def whitelist_of(configuration: Mapping[str, JsonValue] | None) -> Whitelist:
    """Read the list out of a checked ``epmx`` configuration."""
    listed = (configuration or {}).get("metadata-keys")
    if not isinstance(listed, dict):
        return Whitelist()
    return Whitelist(
        {key: isinstance(rule, dict) and rule.get("write-enabled") is True for key, rule in listed.items()}
    )
