"""Run the service: ``python -m services.endpoint_register``."""

from libs.process import run
from services.endpoint_register import app

run("endpoint-register", app.build)
