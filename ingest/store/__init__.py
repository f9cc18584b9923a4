"""The telemetry store: one interface over PostgreSQL and TimescaleDB."""
