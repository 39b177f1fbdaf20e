"""The twin: applications and their versions, endpoints, and what is known about each endpoint.

Answers ``endpoint-register.applications``, ``.endpoints``, ``.filters``, ``.epmmp`` and ``.identity`` for
operators and transports, ``.connectivity`` for transports, and ``epmx`` for devices; takes in
``mqtt-transport.endpoint.connectivity.*``; publishes ``endpoint.lifecycle.*``,
``endpoint.metadata.updated``, ``endpoint-filter.*``, ``endpoint.connectivity.disconnected`` and
``service.configuration.*``. Stores applications, their configuration and filters, endpoints with
metadata, the events that have not been published yet, who is connected and which transports live; of
tokens it stores nothing.
"""
