"""JSON log lines on standard output: an event name and fields, never sentences.

Our code logs through structlog; libraries log through the standard library, and both come out in
the same form. Fields bound with ``structlog.contextvars`` (the correlation id) are added to each
line. Libraries are heard from "warning" on whatever our level is: pymongo's debug lines, for one,
contain every document.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from libs.process.masking import mask_fields

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(*, service: str, replica: str, level: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this interpreter to `stream` as JSON lines.

    Args:
        service: Added to each line, as is `replica`.
        replica: Tells the lines of two processes of one service apart.
        level: One of :data:`libs.process.settings.LOG_LEVELS`.
        stream: Standard output when left out.
    """
    stream = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        _Origin(service=service, replica=replica),
        structlog.processors.format_exc_info,
        _mask,
    ]
    renderer = structlog.processors.JSONRenderer(default=repr)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


class _Origin:
    """Adds who is speaking; a field of the same name given by the caller wins."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name, value in self._fields.items():
            event.setdefault(name, value)
        return event


def _stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # structlog keeps the record of a library's line under "_record"; it is removed after us, unrendered.
    return mask_fields(event)
