"""What the service does, one async function per command.

``validating`` is the hot path of every device, ``tokens`` what operators and endpoint-register do
to tokens, ``api_keys`` the keys of operators, ``announcing`` how every change becomes an event
whatever dies in between, ``changing`` the compare-and-set loop under all of them.
"""
