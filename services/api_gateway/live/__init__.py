"""``/live``: events as Server-Sent Events.

A stream of control events is a place in the bus stream EVENTS and nothing else: what comes behind it is read
one by one, at the speed of whoever reads the answer, so that a slow reader costs no memory and one that comes
back goes on from the id it was told last. :mod:`.log` reads each event once for all streams of the process.
Data events are in no stream: they go through a small box of each stream (:mod:`.mailbox`), which loses the
oldest when it is full, and says so.

:mod:`.showing` decides who may see what and :mod:`.places` where to begin; both are pure.
"""
