"""What the service does.

``collecting`` is the way of every batch from the stream to the store, ``orphans`` finds batches that no
consumer gives out any more, ``telling`` makes the events about what is stored, ``expiring`` deletes. Import
the modules by name; this package exports nothing.
"""
