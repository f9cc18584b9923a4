"""Register many devices from a CSV file, each with a claim code; the same file again changes nothing."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.errors import Invalid, RuleError
from gateway.connect import asset_for_device, connect_device
from gateway.qr import qr_svg
from ingest.devices import renew_claim
from ingest.models import Device

COLUMNS = ("serial", "model", "asset")
MAX_ROWS = 5000
MAX_BYTES = 2 * 1024 * 1024
CODES_VALID = timedelta(days=30)  # printed codes wait until somebody stands at the machine


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number, and its cells by column."""

    number: int
    serial: str
    model: str
    asset: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a line."""

    row: int
    column: str
    code: str
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A device that was registered, with its code (None in a dry run)."""

    row: int
    serial: str
    claim_code: str | None
    claim_expires_at: datetime | None


@dataclass(slots=True)
class Outcome:
    """What became of each line."""

    created: list[Made] = field(default_factory=list)
    unchanged: list[Row] = field(default_factory=list)
    errors: list[Wrong] = field(default_factory=list)


def read_rows(content: bytes) -> tuple[list[Row], list[Wrong]]:
    """Read the lines of a CSV file with a header of `serial`, and perhaps `model` and `asset`.

    Comma, semicolon or tab; UTF-8, or GB 18030 as Excel writes it in China. Raises Invalid for what is no such file.
    """
    if len(content) > MAX_BYTES:
        raise Invalid(f"a file has at most {MAX_BYTES} bytes", field="body")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise Invalid("the file is neither UTF-8 nor GB 18030", field="body") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = [name.strip().lower() for name in next(lines, [])]
    if "serial" not in header:
        raise Invalid("the first line must name the columns: serial, and perhaps model and asset", field="body")
    errors = [Wrong(1, name, "unknown_column") for name in header if name and name not in COLUMNS]
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) >= MAX_ROWS:
            raise Invalid(f"a file has at most {MAX_ROWS} devices", field="body")
        named = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        row = Row(number, named["serial"], named.get("model", ""), named.get("asset", ""))
        if not row.serial:
            errors.append(Wrong(number, "serial", "missing"))
        elif row.serial in seen:
            errors.append(Wrong(number, "serial", "repeated", {"row": str(seen[row.serial])}))
        else:
            seen[row.serial] = number
            rows.append(row)
    return rows, errors


def provision(
    session: Session, organisation_id: UUID, content: bytes, now: datetime, *, dry_run: bool = False
) -> Outcome:
    """Register what the file names; good lines are done whatever is wrong with others. Raises Invalid as `read_rows`.

    A dry run does the same and takes it back.
    """
    rows, errors = read_rows(content)
    outcome = Outcome(errors=errors)
    known = set(session.scalars(select(Device.serial).where(Device.serial.in_([row.serial for row in rows]))))
    trial = session.begin_nested()
    for row in rows:
        if row.serial in known:
            outcome.unchanged.append(row)
        else:
            _provision_row(session, organisation_id, row, now, outcome)
    if dry_run:
        trial.rollback()
        outcome.created = [Made(each.row, each.serial, None, None) for each in outcome.created]
    else:
        trial.commit()
    outcome.errors.sort(key=lambda each: each.row)
    return outcome


def _provision_row(session: Session, organisation_id: UUID, row: Row, now: datetime, outcome: Outcome) -> None:
    try:
        with session.begin_nested():
            asset = asset_for_device(session, organisation_id, row.serial, row.asset, now)
            device, _ = connect_device(session, row.serial, row.model, asset.organisation_id, asset, now)
            code = renew_claim(session, device, now, CODES_VALID)
    except RuleError as error:
        column = str(error.params.get("field", "serial"))
        outcome.errors.append(Wrong(row.number, column, error.code, {"message": str(error)}))
    except IntegrityError:  # another organisation's, which this one may not see
        outcome.errors.append(Wrong(row.number, "serial", "taken"))
    else:
        outcome.created.append(Made(row.number, row.serial, code, device.claim_expires_at))


def claim_url(server: str, code: str) -> str:
    """Return what a label's QR code says: server and code in one, as `forewarn-edge claim` takes it."""
    return f"{server}/claim/{code}"


def labels(made: list[Made], server: str) -> str:
    """Return a page to print: one label per device with its code, as text and as QR code."""
    cells = [
        f"<article>{qr_svg(claim_url(server, each.claim_code))}<div><b>{escape(each.serial)}</b>"
        f"<code>{each.claim_code}</code><small>forewarn-edge claim {escape(claim_url(server, each.claim_code))}</small>"
        f"<small>until {each.claim_expires_at:%Y-%m-%d}</small></div></article>"
        for each in made
        if each.claim_code
    ]
    style = (
        "body{font:11pt sans-serif;display:grid;grid-template-columns:1fr 1fr;gap:4mm;margin:8mm}"
        "article{display:flex;gap:4mm;border:1px dashed #999;padding:3mm;break-inside:avoid}"
        "svg{width:28mm;height:28mm;flex:none}div{display:flex;flex-direction:column;gap:1mm;min-width:0}"
        "code{font-size:15pt;letter-spacing:.1em}small{font-size:7pt;overflow-wrap:anywhere}"
    )
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Claim codes</title><style>{style}</style>'
    return f"{head}<body>{''.join(cells)}</body></html>\n"
