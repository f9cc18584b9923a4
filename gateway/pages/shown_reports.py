"""The list of a machine's reports on its label's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.registry import Asset
from ticketing.reports.tables import FOR_CUSTOMERS, Report

MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ShownReport:
    """The newest revision of a report. Serial numbers and order numbers are no secrets of a person."""

    id: UUID
    template: str
    number: str
    at: datetime


def reports_of(session: Session, asset: Asset, order_id: UUID) -> tuple[ShownReport, ...]:
    """Return the newest reports of one piece of work on a machine."""
    return tuple(each for each in shown_reports(session, asset, order_id))


def shown_reports(session: Session, asset: Asset, order_id: UUID | None = None) -> tuple[ShownReport, ...]:
    """Return the newest reports of a machine's present owner, one line for each piece of work."""
    mine = select(Report).where(
        Report.asset_id == asset.id,
        Report.organisation_id == asset.organisation_id,
        Report.template.in_(FOR_CUSTOMERS),
    )
    if order_id is not None:
        mine = mine.where(Report.subject_id == order_id)
    newest = mine.distinct(Report.subject_id, Report.template)
    rows = session.scalars(newest.order_by(Report.subject_id, Report.template, Report.revision.desc())).all()
    latest = sorted(rows, key=lambda row: row.created_at, reverse=True)[:MAX_SHOWN]
    return tuple(ShownReport(row.id, row.template, row.number, row.created_at) for row in latest)
