"""MQTT: topics and payloads, the publisher with its outbox, commands, and the announcement to Home Assistant."""
