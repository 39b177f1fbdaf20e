"""Who may come in: endpoint tokens of devices and API keys of operators.

Answers ``credential-manager.ecap`` (whose token is this), ``.tokens`` and ``.api-keys``; publishes
``endpoint.token.revoked``, ``endpoint.token.status-changed`` and ``api-key.status.revoked``. Stores
hashes of tokens and keys, their states, and which changes have not been told yet; never a secret.
"""
