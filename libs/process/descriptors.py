"""Open files: a connection is one, and what the system allows decides how many there can be."""

import contextlib

import structlog

_OURS = 128
"""Files that are no client's: NATS, the log, the listeners, and the clients of the health port."""

_log = structlog.get_logger()


def room_for(connections: int) -> int:
    """Raise the process's limit of open files as far as wanted and allowed; returns how many fit.

    Without this the system refuses to accept, and nobody is told why.
    """
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OURS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(1, soft - _OURS)
    _log.warning("http_connections_limited", wanted=connections, possible=room, open_files=soft)
    return room
