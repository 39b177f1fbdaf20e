"""http-transport: devices that speak KP1 over HTTP.

Serves no subject and stores nothing: it finds out who is speaking, hands the request to the owner
of the extension and answers with what the owner said.
"""
