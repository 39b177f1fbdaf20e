"""Which rows run, how often, and in what order; pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from deploy.local.problem import RunnerError
from deploy.local.table import Kind, Row


def selected(table: Sequence[Row], only: Collection[str]) -> tuple[Row, ...]:
    """Return the rows named and all they need, in the order of the table; no name selects everything.

    Raises:
        RunnerError: A name is in no row.
    """
    rows = {row.name: row for row in table}
    wanted: set[str] = set()
    waiting = list(only) or list(rows)
    while waiting:
        name = waiting.pop()
        if name not in rows:
            raise RunnerError(f"there is no process {name!r}; there are {', '.join(rows)}")
        if name not in wanted:
            wanted.add(name)
            waiting.extend(need for need in rows[name].needs if need in rows)
    return tuple(row for row in table if row.name in wanted)


def with_replicas(rows: Iterable[Row], counts: Mapping[str, int]) -> tuple[Row, ...]:
    """Return the rows with the number of processes asked for.

    Raises:
        RunnerError: Replicas are asked for of something that has none.
    """
    rows = tuple(rows)
    services = [row.name for row in rows if row.kind is Kind.SERVICE]
    for name in counts:
        if name not in services:
            raise RunnerError(f"GROVE_LOCAL_REPLICAS names {name!r}; it can name {', '.join(services)}")
    return tuple(replace(row, replicas=counts.get(row.name, row.replicas)) for row in rows)


def waves(rows: Iterable[Row]) -> tuple[tuple[Row, ...], ...]:
    """Group rows so that each group needs only groups before it; what needs nothing comes first.

    A need that is in no row is met from outside, such as a NATS that someone else runs.

    Raises:
        RunnerError: Some rows need one another in a circle.
    """
    left = {row.name: row for row in rows}
    result: list[tuple[Row, ...]] = []
    while left:
        free = tuple(row for row in left.values() if not any(need in left for need in row.needs))
        if not free:
            raise RunnerError(f"these processes need one another in a circle: {', '.join(sorted(left))}")
        result.append(free)
        for row in free:
            del left[row.name]
    return tuple(result)
