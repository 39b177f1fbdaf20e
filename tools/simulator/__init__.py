"""``python -m tools.simulator``: an olive grove that sends telemetry, and counts what became of it.

Trees are endpoints made over REST; each sends samples over MQTT or HTTP, numbered from 1 in their field
``n``. In the end the time series of every tree is read back, so what was acknowledged and is missing, and
what is there twice, is known exactly. ``python -m tools.simulator.demo`` starts a stack for it first.
``options``, ``weather``, ``ledger`` and ``report`` are pure.
"""
