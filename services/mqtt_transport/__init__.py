"""mqtt-transport: devices that speak KP1 over MQTT, and never have to subscribe.

Terminates MQTT as a server and routes nothing between clients: a request goes to the owner of its
extension, the answer to the connection that asked. Serves ``replica.<runId>.push``; tells who is
connected; stores nothing.
"""
