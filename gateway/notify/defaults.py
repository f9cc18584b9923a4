"""The rules that every organisation at the top has from the beginning; they may be changed and switched off."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.ids import uuid7
from gateway.notify.rule_models import NotificationRule

ALARM, SLA, NEW_WORK = "alarm_escalated", "sla_warned", "new_work"
HELP, URGENT, STAFFING = "help_called", "urgent_case", "staffing_gaps"
_DESK: list[Any] = [{"to": "role", "role": "dispatcher"}, {"to": "role", "role": "planner"}]
_CUSTOMER: list[Any] = [{"to": "customer_contact"}]
_WRITTEN = ["email", "sms"]  # to a customer the first of these for which there is an address
# Milestone -> kinds, and seconds to wait: whoever plans may change their mind twice in a minute.
MILESTONES: dict[str, tuple[list[str], int]] = {
    "milestone_received": (["request.opened"], 0),
    "milestone_appointment": (["appointment.offered"], 0),
    "milestone_planned": (
        ["visit.state_changed.scheduled", "visit.planned", "appointment.booked", "appointment.moved"],
        120,
    ),
    "milestone_on_the_way": (["visit.state_changed.travelling"], 0),
    "milestone_done": (["work_order.completed"], 0),
    "milestone_report_ready": (["report.created"], 0),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    ALARM: {
        "name": "Alarms that nobody has acknowledged",
        "kinds": ["episode.escalated"],
        "recipients": [{"to": "told"}],
        "ways": ["page", "email", "push"],
        "critical": True,
    },
    SLA: {
        "name": "Service levels",
        "kinds": ["sla.warned"],
        "recipients": [{"to": "told"}],
        "ways": ["page", "email"],
    },
    NEW_WORK: {
        "name": "New and changed work",
        "kinds": [
            "work_order.assigned",
            "work_order.cancelled",
            "visit.planned",
            "visit.state_changed.scheduled",
            "visit.state_changed.cancelled",
        ],
        "recipients": [{"to": "technician"}, {"to": "former_technician"}],
        "ways": ["page", "push"],
        "delay_s": 10,
    },
    HELP: {
        "name": "Calls for help from the field",
        "kinds": ["help_request.opened"],
        "recipients": _DESK,
        "ways": ["page", "push"],
    },
    URGENT: {
        "name": "Urgent cases",
        "kinds": ["case.opened"],
        "conditions": {"priorities": ["urgent"]},
        "recipients": _DESK,
        "ways": ["page"],
    },
    STAFFING: {
        "name": "Staffing gaps",
        "kinds": ["staffing_gap.opened"],
        "recipients": [{"to": "role", "role": "planner"}],
        "ways": ["page"],
    },
    **{
        code: {
            "name": f"To the customer: {code.removeprefix('milestone_').replace('_', ' ')}",
            "kinds": kinds,
            "recipients": _CUSTOMER,
            "ways": _WRITTEN,
            "delay_s": delay,
        }
        for code, (kinds, delay) in MILESTONES.items()
    },
}


def ensure_defaults(session: Session, organisation_id: UUID, now: datetime) -> None:
    """Write the rules that are not there yet; what was changed stays as it is."""
    held = set(
        session.scalars(select(NotificationRule.code).where(NotificationRule.organisation_id == organisation_id))
    )
    for code, values in DEFAULTS.items():
        if code in held:
            continue
        row = {
            "id": uuid7(),
            "organisation_id": organisation_id,
            "code": code,
            "enabled": True,
            "conditions": {},
            "templates": {},
            "critical": False,
            "delay_s": 0,
            "again_s": 0,
            "created_at": now,
            "changed_at": now,
            **values,
        }
        session.execute(insert(NotificationRule).values(row).on_conflict_do_nothing())
