"""What transports report: that they live, and whom they have heard; what is lost is reported again."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from libs.contracts.connectivity import MAX_ENDPOINTS, AliveReport, Seen, SeenReport
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import AppVersionName, EndpointId, application_of
from services.endpoint_register import metrics
from services.endpoint_register.domain.connectivity import Run, RunState, Sighting, is_run_id
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.presence import follow_versions, ready_of

ASK_AGAIN_AFTER: Final = timedelta(seconds=60)
"""A process that is asked to say again whom it holds is not asked once more before: taking in what ten
thousand bindings say takes the embedded store longer than it takes to report again."""

_MAX_AGE_MS: Final = 3_600_000


async def report_alive(report: AliveReport, *, parts: Parts) -> bool:
    """Note that a transport lives; True when it has to say again whom it holds.

    One that leaves is noted no more: what it should have ended and did not ends when its silence is
    noticed, as for any other.

    Raises:
        BadRequestError: The run id is none.
    """
    if not is_run_id(report.run_id):
        raise BadRequestError("runId must be 1 to 64 of [a-zA-Z0-9_-]")
    run = await parts.runs.find(report.run_id)
    if report.leaving or (run is not None and run.state is RunState.ENDING):
        return False  # what is being ended is asked when that is over, and it is unknown
    now, stamp = parts.clock.now(), parts.entropy.attempt()
    if run is None:
        state = RunState.OWING if report.bindings else RunState.ALIVE
        await parts.runs.add(Run(run_id=report.run_id, state=state, stamp=stamp, asked_at=now))
        return True
    if not report.bindings:
        await parts.runs.replace(run, replace(run, state=RunState.ALIVE, stamp=stamp))
        return False
    is_asked = run.state is RunState.OWING and (run.asked_at is None or now - run.asked_at >= ASK_AGAIN_AFTER)
    after = replace(run, stamp=stamp, asked_at=now if is_asked else run.asked_at)
    return await parts.runs.replace(run, after) and is_asked


async def report_seen(report: SeenReport, *, parts: Parts) -> None:
    """Note whom a transport has heard, at most once a minute each.

    An endpoint that is not connected also follows the version it speaks for: HTTP announces no connections,
    and a device that leaves an MQTT connection at once may be gone before it would have been announced.

    Raises:
        BadRequestError: It names too many endpoints.
    """
    if len(report.endpoints) > MAX_ENDPOINTS:
        raise BadRequestError(f"at most {MAX_ENDPOINTS} endpoints")
    ids = [EndpointId(endpoint_id) for endpoint_id in report.endpoints]
    endpoints, records = await ready_of(ids, parts=parts), await parts.connectivity.find_many(ids)
    now = parts.clock.now()
    due, moves = [], []
    for endpoint_id in ids:
        endpoint, seen = endpoints.get(endpoint_id), report.endpoints[endpoint_id]
        if endpoint is None or application_of(seen.app_version_name) != endpoint.application:
            metrics.IGNORED.labels("no such endpoint" if endpoint is None else "another application").inc()
            continue
        record = records.get(endpoint_id)
        sighting = Sighting(
            endpoint_id=endpoint_id,
            incarnation=endpoint.incarnation,
            transport=report.transport,
            at=_seen_at(seen, report, now),
        )
        if record is None or record.is_due(sighting):
            due.append((record, sighting))
        version, is_connected = AppVersionName(seen.app_version_name), record is not None and record.connected
        if version != endpoint.version and not is_connected:
            moves.append((endpoint, version))
    await parts.connectivity.see(due)
    await follow_versions(moves, parts=parts)


def _seen_at(seen: Seen, report: SeenReport, now: datetime) -> datetime:
    """Tell when it was by our clock: of the transport's only the time in between is believed."""
    age_ms = report.timestamp - seen.at_ms if report.timestamp else 0
    return now - timedelta(milliseconds=max(0, min(age_ms, _MAX_AGE_MS)))
