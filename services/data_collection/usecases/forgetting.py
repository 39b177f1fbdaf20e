"""Drop what was configured for applications and versions that are gone.

Events only say that something about an application has changed, perhaps a while ago and perhaps twice, and
its name may have been given again since. So the register is asked, after the documents were read, and a
document goes if it was put for a life that is over; one that is put meanwhile is of another and stays. What
no event told of, and what was put while its application was going, is found by looking at all now and then.
"""

import asyncio
from contextlib import suppress
from typing import Any

import structlog

from libs.contracts.errors import GroveError
from services.data_collection import metrics
from services.data_collection.usecases.configuring import ConfigurationParts

_log = structlog.get_logger()


async def keep_forgetting(parts: ConfigurationParts, *, every_s: float) -> None:
    """Root task: never ends by itself."""
    while True:
        try:
            await forget_all_gone(parts=parts)
        except GroveError as error:
            _log.warning("forgetting.later", reason=error.reason_phrase)
        await asyncio.sleep(every_s)


async def forget_all_gone(*, parts: ConfigurationParts) -> int:
    """Look at every application that has documents; return how many documents went.

    Raises:
        UnavailableError: The store or the register is away; the rest goes another time.
    """
    gone, after = 0, ""
    while applications := await parts.documents.applications(after=after):
        for application in applications:
            gone += await forget_gone(application, parts=parts)
        after = applications[-1]
    return gone


async def forget_gone(application: str, *, parts: ConfigurationParts) -> int:
    """Drop the documents of an application, or of versions of it, that are gone; return how many went.

    Raises:
        UnavailableError: The store or the register is away.
    """
    put_for = await parts.documents.incarnations(application)
    if not put_for:
        return 0
    living = await parts.applications.incarnations(application)
    gone = 0
    for (instance, version), incarnation in put_for.items():
        life = living.get(version)
        if life is not None and incarnation in {life, ""}:
            continue
        place: dict[str, Any] = {"instance": instance, "application": application, "version": version}
        if await parts.documents.remove(**place, incarnation=incarnation):
            gone += 1
            metrics.CONFIGURATIONS_DELETED.inc()
            _log.info("configuration.forgotten", **place)
            with suppress(GroveError):  # what others remember ends by itself within 30 s
                await parts.announcements.changed(**place)
    return gone
