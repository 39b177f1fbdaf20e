"""Run the service: ``python -m services.data_collection``."""

from libs.process import run
from services.data_collection import app

run("data-collection", app.build)
