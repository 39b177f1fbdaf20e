"""``python -m services.credential_manager``."""

from libs.process import run
from services.credential_manager import app

run("credential-manager", app.build)
