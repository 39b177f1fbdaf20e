"""What services agree on: messages, subjects, ids, error codes and the rules of the protocols.

Pure: no I/O, no clock, no randomness. A rule that two services need lives here, once.
Import the modules by name (``from libs.contracts import kp1``); this package exports nothing.
"""
