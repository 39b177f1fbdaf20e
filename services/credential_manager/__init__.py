"""Who may come in: endpoint tokens and SenML secrets of devices, API keys of operators.

Answers ``credential-manager.ecap`` (whose token is this), ``.tokens``, ``.senml-credentials`` and
``.api-keys``; publishes ``endpoint.token.*``, ``endpoint.senml-credential.*`` and
``api-key.status.revoked``. Stores hashes of tokens and keys, SenML secrets encrypted, their states, and
which changes have not been told yet; never a readable secret.
"""
