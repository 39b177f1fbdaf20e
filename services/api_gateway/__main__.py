"""Run the gateway: ``python -m services.api_gateway``."""

from libs.process import run
from services.api_gateway import app

run("api-gateway", app.build)
