"""The one-machine runner behind ``make run``: NATS, the store and all services from one table.

Start reading at :mod:`deploy.local.table` (what runs), :mod:`deploy.local.supervisor` (the stack as a
whole) and :mod:`deploy.local.keeper` (the life of one process). ``preflight`` and ``disk`` refuse what
cannot work; ``leash`` and ``watchdog`` see to it that nothing outlives the runner; ``ready_file`` tells
others where everything is.
"""
