"""The stored words of service levels: clocks, reasons for pauses, priorities."""

from __future__ import annotations

CLOCKS = ("response", "arrival", "restoration", "closing")
SUBJECTS = ("request", "case", "work_order")
# Why work waits. The first eight are the reasons for which a work order is put on hold.
REASONS = ("parts", "customer", "weather", "access", "tools", "safety", "approval", "other", "third_party")
ANY = "any"  # a target for the priorities that have none of their own
# A contract's promises, and the clocks that they are about.
OF_CONTRACT = {"response": "respond_h", "arrival": "arrive_h", "restoration": "restore_h", "closing": "close_h"}
# Who is told: the one who does the work, roles of whoever serves, one person.
TELL = ("assignee", "team_leads", "dispatchers", "planners", "administrators", "person")
STATES = ("running", "at_risk", "breached", "paused", "met", "missed", "cancelled")
LATE = "late"  # the breach list: late now, or ended late
