"""The asyncio shell over :mod:`libs.mqtt`: sockets in, use cases called, bytes out. No rule lives here."""
