"""The data directory: what lies where, and that only one runner uses it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problem import RunnerError


@dataclass(frozen=True)
class DataDirectory:
    """Paths below the directory of ``GROVE_DATA_DIR``."""

    path: Path

    @property
    def nats(self) -> Path:
        """Configuration and JetStream files of the embedded NATS."""
        return self.path / "nats"

    @property
    def store(self) -> Path:
        """Files of the embedded store."""
        return self.path / "store"

    @property
    def secrets_file(self) -> Path:
        """Keys and passwords made at the first start."""
        return self.path / "secrets.json"

    @property
    def ready_file(self) -> Path:
        """Present while everything is ready."""
        return self.path / "ready.json"

    def log(self, name: str, index: int) -> Path:
        """Return the log file of one process."""
        return self.path / "logs" / f"{name}-{index}.log"

    def port_file(self, name: str, index: int) -> Path:
        """Return the file in which a service says which ports it took."""
        return self.path / "run" / f"{name}-{index}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory and keep other runners out of it until the block ends.

        Raises:
            RunnerError: Another runner uses it, or it cannot be written.
        """
        try:
            for part in (self.path, self.path / "logs", self.path / "run"):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise RunnerError(
                f"cannot use the data directory {self.path}: {error.strerror}; set GROVE_DATA_DIR to another"
            ) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise RunnerError(
                f"{self.path} is in use by another runner (pid {holder}); stop it, or set GROVE_DATA_DIR"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
