"""Rules of mqtt-transport: how answers look in MQTT, and who is bound to which connection."""
