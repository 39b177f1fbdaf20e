"""The twin: applications and their versions, endpoints, and what is known about each endpoint.

Answers ``endpoint-register.applications``, ``.endpoints``, ``.epmmp`` and ``.identity`` for operators
and transports, and ``epmx`` for devices; publishes ``endpoint.lifecycle.*``, ``endpoint.metadata.updated``
and ``service.configuration.*``. Stores applications, their configuration, endpoints with metadata, and
the events that have not been published yet; of tokens it stores nothing.
"""
