"""TLS for listeners: one context from two files, read again when they change.

A certificate is renewed every few weeks by programs that know nothing of us; a listener that is open
takes the new one for the next handshake, and connections that exist go on. New files that do not fit
together are told in the log and the old ones stay.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from libs.contracts.errors import StartRefusedError

HANDSHAKE_S: Final = 10.0
"""How long a handshake may take; one that stalls holds up nobody but itself."""

_LOOK_EVERY_S: Final = 2.0
_log = structlog.get_logger()


class TlsFiles:
    """A certificate chain and its key; :attr:`context` is for every listener of the process."""

    def __init__(self, *, certificate: str, key: str) -> None:
        """Read both files.

        Raises:
            StartRefusedError: One cannot be read, or they do not fit together.
        """
        self._certificate, self._key = Path(certificate), Path(key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._changed = self._stamp()
        try:
            self.context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            raise StartRefusedError(
                f"GROVE_TLS_CERT and GROVE_TLS_KEY ({self._certificate}, {self._key}): {error}"
            ) from error

    async def follow(self) -> None:
        """Root task: read the files again when they change."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            stamp = self._stamp()
            if stamp != self._changed:
                self._changed = stamp
                self._read_again()

    def _read_again(self) -> None:
        try:
            # Tried on a context of its own first: a key that does not fit must not spoil the one in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._certificate, self._key, password=_no_password
            )
            self.context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            _log.error("tls.not_read", certificate=str(self._certificate), reason=str(error))
        else:
            _log.info("tls.read", certificate=str(self._certificate))

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask the terminal for its password and wait for ever."""
    raise ValueError("the key is encrypted; give one without a password")
