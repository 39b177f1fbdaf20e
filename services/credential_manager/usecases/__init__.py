"""What the service does, one async function per command.

``validating`` and ``devices`` are the hot paths of every device; ``tokens`` and ``senml`` what operators
and endpoint-register do to the two kinds of credential, ``removing`` how both end with their endpoint;
``api_keys`` the keys of operators; ``announcing`` how every change becomes an event whatever dies in
between, ``changing`` and ``claiming`` the loops without locks under all of them.
"""
