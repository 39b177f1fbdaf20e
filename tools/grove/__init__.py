"""The command line for people: everything goes through the public REST API, as anybody's script would.

``options`` reads the arguments by the table in ``commands``; ``addresses`` finds out where to go and with
which key; ``rest`` calls; ``output`` shows. docs/cli.md is the guide.
"""
