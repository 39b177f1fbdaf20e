"""An operation as a command to copy; ``$GROVE`` and ``$KEY`` are explained at the top of the page."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

Operation = Mapping[str, Any]

_ONE_LINE = 60
_CSV = "text/csv"


def curl(method: str, path: str, operation: Operation) -> str:
    """Write the command that makes this call with its example values."""
    parts = ["curl" if method == "GET" else f"curl -X {method}", f'"$GROVE{example_target(path, operation)}"']
    lines = [" ".join(parts), '-H "Authorization: Bearer $KEY"']
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if media_type == _CSV:
            lines += [f'-H "Content-Type: {media_type}"', "--data-binary @endpoints.csv"]
            continue
        body = json.dumps(content["example"], ensure_ascii=False)
        if len(body) > _ONE_LINE:
            body = json.dumps(content["example"], ensure_ascii=False, indent=2)
        body = body.replace("'", "'\\''")
        lines += [f'-H "Content-Type: {media_type}"', f"-d '{body}'"]
    return " \\\n  ".join(lines)


def example_target(path: str, operation: Operation) -> str:
    """The path with example values filled in, and the query parameters that must be there."""
    query = []
    for parameter in operation.get("parameters", ()):
        example = parameter.get("example", "...")
        value = quote(",".join(example) if isinstance(example, list) else str(example), safe="")
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
        elif parameter["in"] == "query" and parameter["required"]:
            query.append(f"{parameter['name']}={value}")
    return f"{path}?{'&'.join(query)}" if query else path
