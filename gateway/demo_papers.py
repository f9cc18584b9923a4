"""What the demo's machines have beside telemetry: meters with readings, cards, positions, a manual and a floor plan."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime, timedelta

from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.documents.archive import add_document, add_revision
from assets.documents.files import MAX_BYTES
from assets.documents.store import FileStore
from assets.meter_models import Meter
from assets.meter_rules import Told
from assets.meters import add_meter, read_meter
from assets.positions import add_position, install
from assets.registry import Asset, Customer, Site
from assets.warranty.cards import issue_card

_HOURS_A_DAY = {"DEMO-PUMP-101": 19.5, "DEMO-PUMP-102": 6.0, "DEMO-COMP-201": 14.0, "DEMO-CHIL-301": 21.0}
_GAUGES = {"DEMO-COMP-201": ("oil_level", "%", (96.0, 93.0, 91.0, 87.0, 85.0, 82.0))}
_WITH_CARD = ("DEMO-PUMP-101", "DEMO-PUMP-102", "DEMO-COMP-201")
_POSITIONS = {"DEMO-PUMP-101": "P-101 feed", "DEMO-PUMP-102": "P-102 stand-by", "DEMO-CHIL-301": "Energy centre, bay 1"}
_ON_PLAN = {"DEMO-PUMP-101": (0.22, 0.38), "DEMO-PUMP-102": (0.22, 0.66), "DEMO-COMP-201": (0.74, 0.3)}
_READINGS = 6  # a month apart
_ROOMS = (
    ((40, 60, 420, 540), "Pump room"),
    ((440, 60, 760, 290), "Packaging"),
    ((440, 310, 760, 540), "Store"),
)


def load_meters(session: Session, asset: Asset, now: datetime) -> None:
    """Give a machine its hour counter, read by hand each month, and an oil gauge where it has one."""
    days = [(_READINGS - 1 - number) * 30 for number in range(_READINGS)]
    if rate := _HOURS_A_DAY.get(asset.serial):
        values = [round(1800 + rate * (150 - day) + 7 * (day % 4), 1) for day in days]
        _read(session, asset, Meter(name="running_hours", kind="counter", unit="h"), days, values, now)
    if gauge := _GAUGES.get(asset.serial):
        name, unit, shown = gauge
        _read(session, asset, Meter(name=name, kind="gauge", unit=unit), days, list(shown), now)


def _read(session: Session, asset: Asset, meter: Meter, days: list[int], values: list[float], now: datetime) -> None:
    add_meter(session, asset, meter, now)
    for day, value in zip(days, values, strict=True):
        at = now - timedelta(days=day, hours=2)
        read_meter(session, meter, Told(value), at, now)


def load_papers(session: Session, asset: Asset, customer: Customer, site: Site, now: datetime) -> None:
    """Issue the machine's card, and put it on its position and on the site's plan."""
    if asset.serial in _WITH_CARD:
        bought = (asset.installed_at or now).date()
        issue_card(session, asset, customer=customer, purchased_on=bought, proof=None, now=now, by_id=None)
    if name := _POSITIONS.get(asset.serial):
        place = add_position(session, organisation_id=asset.organisation_id, name=name, site_id=site.id, now=now)
        install(session, place, asset, asset.installed_at or now, now)
    if spot := _ON_PLAN.get(asset.serial):
        asset.plan_x, asset.plan_y = spot


def load_files(session: Session, files: FileStore, site: Site, assets: Mapping[str, Asset], now: datetime) -> None:
    """Put the plan of the first site, and the manual of its first pump that customers may read too."""
    actor = Actor("system", site.organisation_id, frozenset())
    plan = add_document(session, title="Ground floor", kind="floor_plan", actor=actor, now=now, site=site)
    content, size = files.put(io.BytesIO(_floor_plan()), MAX_BYTES)
    add_revision(session, files, plan, content, size, file_name="ground-floor.png", note=None, actor=actor, now=now)
    site.floor_plan_document_id = plan.id
    pump = assets["DEMO-PUMP-101"]
    manual = add_document(
        session, title="CP-80 short manual", kind="manual", actor=actor, now=now, asset=pump, language="en", public=True
    )
    content, size = files.put(io.BytesIO(_manual()), MAX_BYTES)
    add_revision(
        session, files, manual, content, size, file_name="cp-80-short-manual.pdf", note=None, actor=actor, now=now
    )


def _floor_plan() -> bytes:
    image = Image.new("RGB", (800, 600), "#ffffff")
    pen = ImageDraw.Draw(image)
    pen.rectangle((30, 50, 770, 550), outline="#22333b", width=6)
    for (left, top, right, bottom), name in _ROOMS:
        pen.rectangle((left, top, right, bottom), outline="#8fa3ad", width=3, fill="#f4f7f8")
        pen.text((left + 16, top + 12), name, fill="#22333b")
    pen.rectangle((300, 544, 380, 556), fill="#ffffff")  # the door
    kept = io.BytesIO()
    image.save(kept, "PNG")
    return kept.getvalue()


def _manual() -> bytes:
    kept = io.BytesIO()
    page = Canvas(kept, pagesize=A4, invariant=1)
    page.setTitle("CP-80 short manual")
    page.setFont("Helvetica-Bold", 18)
    page.drawString(60, 770, "Centrifugal pump CP-80: short manual")
    page.setFont("Helvetica", 11)
    for number, line in enumerate(
        (
            "1. Never run the pump dry: the mechanical seal is cooled by what it pumps.",
            "2. Grease the bearings every 4,000 operating hours.",
            "3. Clean the suction strainer when the suction pressure falls below 0.4 bar.",
            "4. Vibration above 4.5 mm/s: call service. Above 7.1 mm/s: stop the pump.",
        )
    ):
        page.drawString(60, 730 - 22 * number, line)
    page.save()
    return kept.getvalue()
