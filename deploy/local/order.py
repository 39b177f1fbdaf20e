"""Which rows run, and in what order; pure."""

from collections.abc import Collection, Iterable, Sequence

from deploy.local.problem import RunnerError
from deploy.local.table import Row


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
