"""Prometheus metrics in the text format, counted from rows."""

from __future__ import annotations

from sqlalchemy import text

from assets.base.db import Database

# Name, type, help, query returning (labels text, value).
_METRICS: tuple[tuple[str, str, str, str], ...] = (
    ("forewarn_assets", "gauge", "Registered assets.", "SELECT '', count(*) FROM assets"),
    (
        "forewarn_devices",
        "gauge",
        "Devices by presence.",
        "SELECT format('{presence=\"%s\"}', coalesce(presence, 'unknown')), count(*) FROM devices GROUP BY 1",
    ),
    (
        "forewarn_work_orders_open",
        "gauge",
        "Open work orders by origin.",
        "SELECT format('{origin=\"%s\"}', origin), count(*) FROM work_orders WHERE closed_at IS NULL GROUP BY 1",
    ),
    (
        "forewarn_findings_open",
        "gauge",
        "Findings that last.",
        "SELECT '', count(*) FROM findings WHERE cleared_at IS NULL",
    ),
    ("forewarn_quarantine_rows", "gauge", "Payloads in quarantine.", "SELECT '', count(*) FROM quarantine"),
    (
        "forewarn_samples_stored_total",
        "counter",
        "Samples stored.",
        "SELECT '', coalesce(sum(stored), 0) FROM device_boots",
    ),
    (
        "forewarn_consumer_failures",
        "gauge",
        "Events that a consumer set aside.",
        "SELECT '', count(*) FROM consumer_failures",
    ),
)


def render_metrics(database: Database) -> str:
    """Return all metrics; readable by anybody who reaches the port, so counts only."""
    lines = []
    with database.as_service() as session:
        for name, kind, about, query in _METRICS:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{labels} {value}" for labels, value in session.execute(text(query))]
    return "\n".join(lines) + "\n"
