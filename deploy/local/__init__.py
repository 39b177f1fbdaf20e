"""The one-machine runner behind ``make run``: NATS, the store and all services from one table."""
