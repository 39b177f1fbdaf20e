"""What the service does, one async function per command.

``devices`` is the hot path of every endpoint (``epmx``), ``metadata`` the same for operators,
``changing`` the compare-and-set loop under both, ``announcing`` how every change becomes an event.
``endpoints`` and ``removing`` are an endpoint's beginning and end, ``listing`` gives pages of them,
``applications``, ``versions`` and ``configurations`` are what they belong to, ``emptying`` the end of
that; ``sweeping`` finishes what a dead replica left half done. ``scope`` finds what may be touched
within the limits of an API key.
"""
