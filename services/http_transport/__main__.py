"""Run http-transport: ``python -m services.http_transport``."""

from libs.process import run
from services.http_transport.app import build

run("http-transport", build)
