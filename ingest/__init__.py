"""Measured: MQTT to checked, deduplicated rows; the server's end of every device."""
