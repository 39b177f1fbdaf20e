"""What is printed when everything is ready: addresses, the admin key and what to try next; pure."""

from pathlib import Path

from deploy.local.ready_file import Snapshot
from deploy.local.table import TABLE

_LABELS = {listener.ready_key: listener.label for row in TABLE for listener in row.listeners}


def announcement(snapshot: Snapshot, *, took_s: float, data: Path) -> str:
    """Return the lines; a part of the stack that does not run is left out."""
    urls: dict[str, str] = {}
    for entry in snapshot.services:
        for key, url in entry.urls.items():
            urls.setdefault(key, url)
    shown = {_LABELS.get(key, key): url for key, url in urls.items()}
    if snapshot.nats_url:
        shown["NATS (events)"] = snapshot.nats_url
    if snapshot.mongodb_url:
        shown["MongoDB"] = snapshot.mongodb_url
    shown["admin API key"] = snapshot.api_key
    lines = [f"ready in {took_s:.1f} s", *(f"  {label:<15} {value}" for label, value in shown.items())]
    if "api" in urls:
        request = f"{urls['api']}/tekton/api/v1/applications"
        lines.append(f"  try             curl -H 'Authorization: Bearer {snapshot.api_key}' {request}")
    lines.append(f"Ctrl-C stops everything; the data stays in {data}")
    return "\n".join(lines)
