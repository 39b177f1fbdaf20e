"""``python -m tools.bench``: start everything, measure, print one table, stop everything."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tools.bench.ingest import ingest
from tools.bench.metadata import metadata_round_trips, mqtt_connects, mqtt_round_trips
from tools.bench.raw_limits import bare_nats, bare_store
from tools.bench.suite import create_twins, running_suite
from tools.bench.timing import Latency, measure

_CONCURRENCY = 100
_HEADER = ("what", "calls", "p50 ms", "p99 ms", "calls/s", "p50 ratio", "p99 ratio")


def main() -> int:
    """Run the bench; exit code 0 when every figure could be taken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=3000, help="calls per figure (default 3000)")
    parser.add_argument("--keep", action="store_true", help="keep data and logs, and say where")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="grove-bench-"))
    try:
        uvloop.run(_bench(directory, calls=options.calls))
    finally:
        if options.keep:
            print(f"data and logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _bench(directory: Path, *, calls: int) -> None:
    _say("starting the suite")
    async with running_suite(directory) as suite:
        _say(f"ready in {suite.started_in_s:.1f} s; creating {_CONCURRENCY} endpoints")
        twins = await create_twins(suite, count=_CONCURRENCY)
        rows: list[tuple[str, ...]] = []
        async with bare_nats(directory) as request:
            for concurrency in (1, _CONCURRENCY):
                _say(f"measuring {'one at a time' if concurrency == 1 else f'{concurrency} at a time'}")
                asked = await measure(request, calls=calls, concurrency=concurrency)
                found, updated = await bare_store(suite.mongodb, calls=calls, concurrency=concurrency)
                got, written = await metadata_round_trips(suite, twins, calls=calls, concurrency=concurrency)
                told, changed = await mqtt_round_trips(suite, twins, calls=calls, concurrency=concurrency)
                at = f"x{concurrency}"
                rows += [
                    _row(f"bare NATS request {at}", asked),
                    _row(f"bare find_one {at}", found),
                    _row(f"bare update_one, majority + journal {at}", updated),
                    _row(f"HTTP epmx get {at}", got, asked, found),
                    _row(f"HTTP epmx update/keys {at}", written, asked, found, updated),
                    _row(f"MQTT epmx get {at}", told, asked, found),
                    _row(f"MQTT epmx update/keys {at}", changed, asked, found, updated),
                ]
        connects = await mqtt_connects(suite, count=calls)
        telemetry = await ingest(suite, directory, messages=20 * calls, calls=300, endpoints=1000)
    _print(rows)
    print(f"MQTT connections accepted: {connects:,.0f} a second\n\n{telemetry}")


def _row(what: str, latency: Latency, *limits: Latency) -> tuple[str, ...]:
    """One line; the ratios are against the sum of the raw operations that the call cannot do without."""
    ratios = ("", "")
    if limits:
        ratios = (
            f"{latency.p50_ms / sum(limit.p50_ms for limit in limits):.1f}",
            f"{latency.p99_ms / sum(limit.p99_ms for limit in limits):.1f}",
        )
    figures = (f"{latency.calls}", f"{latency.p50_ms:.2f}", f"{latency.p99_ms:.2f}", f"{latency.rate:,.0f}")
    return (what, *figures, *ratios)


def _print(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    for row in (_HEADER, *rows):
        first, *others = row
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *cells)))
    print("ratio: against bare NATS request + find_one (+ update_one for the update) of the same run")


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
