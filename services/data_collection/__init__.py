"""Telemetry: samples are stored, told of, kept as long as their application wants, and queried.

Drains ``ingest.dcx`` of the stream INGEST, which it owns with REJECTED; answers ``data-collection.*`` for
operators; hears ``endpoint.lifecycle.unregistered`` and ``service.configuration.*``; publishes
``endpoint.data-collection.data-samples-received`` and ``.data-points-received.<series>``. Stores samples,
who has any, whose are to be deleted, configurations, last values and rollups.
"""
