"""A stand-in for a service, without its weight: ``python -m tests.support.fake_service <behaviour>...``.

It keeps the runner's contract (health port, port file, SIGTERM) with the standard library alone, tells its
environment at ``/environment``, and misbehaves as asked:

``stubborn`` ignores SIGTERM; ``fails`` ends at once with a message; ``unready`` never becomes ready;
``parent`` starts a child of its own; ``crash`` ends soon after it was ready; ``chatty`` logs a JSON line.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOURS = frozenset(sys.argv[1:])
_CRASH_AFTER_S = 0.2


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/environment":
            self._answer(
                200, {name: value for name, value in _environ().items() if name.startswith("GROVE_")}
            )
        elif "unready" in BEHAVIOURS:
            self._answer(503, {"status": "unready", "checks": {"nats": "ok", "store": "away"}})
        else:
            self._answer(200, {"status": "ready", "checks": {}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        pass

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    if "fails" in BEHAVIOURS:
        sys.exit("GROVE_SOMETHING is not set")
    # A pipe, not an event: a signal while the main thread takes the event's lock would wait for it for ever.
    told, tell = os.pipe()
    stubborn = "stubborn" in BEHAVIOURS
    signal.signal(signal.SIGTERM, lambda *_: None if stubborn else os.write(tell, b"."))
    servers = {"health": _serve(int(_environ()["GROVE_HEALTH_PORT"]))}
    if "GROVE_HTTP_PORT" in _environ():
        servers["http"] = _serve(int(_environ()["GROVE_HTTP_PORT"]))
    if "parent" in BEHAVIOURS:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if "chatty" in BEHAVIOURS:
        _say(json.dumps({"event": "fake.started", "level": "info", "colour": "green"}))
    ports = {name: server.server_address[1] for name, server in servers.items()}
    said = {"pid": os.getpid(), "replica": f"fake-{os.getpid():016x}", "ports": ports}
    port_file = Path(_environ()["GROVE_PORT_FILE"])
    draft = port_file.with_suffix(".draft")
    draft.write_text(json.dumps(said))
    draft.replace(port_file)
    crashes = "crash" in BEHAVIOURS
    stopped, _, _ = select.select([told], [], [], _CRASH_AFTER_S if crashes else None)
    _say("stops")
    sys.exit(3 if crashes and not stopped else 0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _serve(port: int) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _environ() -> dict[str, str]:
    return dict(os.environ)  # noqa: TID251 - a stand-in has no libs.process to read settings with


if __name__ == "__main__":
    main()
