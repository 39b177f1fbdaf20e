"""Run mqtt-transport: ``python -m services.mqtt_transport``."""

from libs.process import run
from services.mqtt_transport.app import build

run("mqtt-transport", build)
