"""The operators' door: REST with API keys, its OpenAPI document and its documentation page.

One table (:mod:`services.api_gateway.routes`) says what there is; routing, validation, permission,
OpenAPI and the pages are all derived from it. A call becomes one request to the service that owns
the data. Owns nothing; serves no subject; hears ``api-key.status.revoked``.
"""
