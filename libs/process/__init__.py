"""The frame every service runs in: settings, logs, health, signals, supervision, drain.

A service hands :func:`run` one coroutine function, ``build(process)``, that opens what the service
needs and returns when it serves. Everything before, around and after that is here, so that eight
services start, tell their state and stop in the same way. Nothing in here knows NATS or MongoDB.

Start reading at :mod:`libs.process.running` (the life of a process) and
:mod:`libs.process.lifecycle` (what ``build`` is given).
"""

from libs.process.environment import load_settings
from libs.process.fields import SettingsError, Variable, describe, setting
from libs.process.health import Health, Ping
from libs.process.lifecycle import Build, Process
from libs.process.running import run, serve
from libs.process.settings import ProcessSettings
from libs.process.system import SystemClock, token_value

__all__ = [
    "Build",
    "Health",
    "Ping",
    "Process",
    "ProcessSettings",
    "SettingsError",
    "SystemClock",
    "Variable",
    "describe",
    "load_settings",
    "run",
    "serve",
    "setting",
    "token_value",
]
