"""Rules of applications, endpoints and metadata; pure: no await, no clock, no randomness.

``endpoint`` and ``application`` are what is stored, ``metadata``, ``patch`` (with ``pointer``) and
``conditions`` how metadata may change, ``whitelist`` and ``configuration`` what applications say about
it, ``listing`` the order of endpoints in lists. Import the modules by name; this package exports nothing.
"""
