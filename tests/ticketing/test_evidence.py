"""Photos and signatures: whole, as they were taken, on the work they belong to (000-12, 001-17, 003-27, 004-26)."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image, ImageDraw
from sqlalchemy import func, select

from assets.base.access import Actor
from assets.base.consumers import run_consumer
from assets.base.events import Event
from assets.base.ids import uuid7
from assets.documents.store import DiskFiles
from assets.documents.sweep import sweep
from gateway.reports.writing import write_waiting
from tests.gateway.pdf_words import has_words
from tests.ticketing.field import ARRIVED, Field, jpeg, minutes, op
from tests.ticketing.world import World
from ticketing.evidence.photos import MAX_BYTES, Told, differences
from ticketing.evidence.signatures import NoSignature, drawn
from ticketing.evidence.tables import Evidence, EvidenceChunk
from ticketing.reports.tables import Report
from ticketing.reports.wanted import REPORTS_FOLLOW_WORK

STROKES = {"strokes": [[[10, 10], [80, 40], [150, 20]], [[60, 60]]], "width": 200, "height": 80}


def with_place(latitude: float, longitude: float, taken: str, offset: str | None) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = taken
    if offset:
        inner[0x9011] = offset
    where = exif.get_ifd(0x8825)
    where |= {1: "N", 2: (latitude, 0.0, 0.0), 3: "E", 4: (longitude, 0.0, 0.0)}
    exif[0x8825] = where
    exif[0x8769] = inner
    return jpeg(exif=exif)


def write_reports(field: Field) -> None:
    later = field.now + timedelta(seconds=5)
    run_consumer(field.world.database, REPORTS_FOLLOW_WORK, later)
    write_waiting(field.world.database, DiskFiles(field.settings.data), later, mail=False)


def test_a_half_sent_photo_goes_on_where_it_stopped(field: Field, world: World) -> None:
    """001-17: the server counts the hash itself, keeps the original, and shows it shrunk."""
    order, content = field.order(world.ann), jpeg(2000, 1000)
    assert len(content) > 300_000
    made = field.photo(world.ann, order, content, caption="the seal")
    key, size = made["id"], 200_000
    assert (made["state"], made["offset"]) == ("waiting", 0)
    assert field.put(world.ann, key, 0, content[:size])["offset"] == size
    assert field.put(world.ann, key, 0, content[:size])["offset"] == size  # the answer was lost: sent again
    assert field.put(world.ann, key, 5, content[5:100], 409)["params"] == {"offset": size}
    again = field.ask(world.ann, "POST", "/evidence", {**_body(made), "size_bytes": len(content)})
    assert again["offset"] == field.ask(world.ann, "GET", f"/evidence/{key}")["offset"] == size
    for start in range(size, len(content), size):
        answer = field.put(world.ann, key, start, content[start : start + size])
    assert (answer["state"], answer["offset"]) == ("kept", len(content))
    assert field.put(world.ann, key, start, content[start:])["state"] == "kept"
    kept = field.ask(world.ann, "GET", f"/evidence?work_order_id={order}")["items"][0]
    assert kept["sha256"] == hashlib.sha256(content).hexdigest()
    assert (kept["width"], kept["height"], kept["by"]["name"]) == (2000, 1000, "Ann")
    client = field.client(world.ann)
    assert client.get(f"/api/v1/evidence/{key}/file").content == content
    for name, most in (("small", 320), ("large", 1600)):
        shown = client.get(f"/api/v1/evidence/{key}/picture?size={name}").content
        assert max(Image.open(io.BytesIO(shown)).size) == most
    with world.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(EvidenceChunk)) == 0
        added = select(func.count()).select_from(Event).where(Event.kind == "work_order.photo_added")
        assert session.scalar(added) == 1
        files = DiskFiles(field.settings.data)
        assert sweep(session, files, datetime.now(ARRIVED.tzinfo) + timedelta(days=9)) == 0
        assert files.has(kept["sha256"])


def _body(made: dict[str, Any]) -> dict[str, Any]:
    same = ("id", "subject_kind", "subject_id", "size_bytes", "sha256", "captured_at")
    return {name: made[name] for name in same}


def bomb() -> bytes:
    """A picture of 20,000 × 20,000 pixels in some kilobytes."""
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


def test_what_is_no_photo_is_refused_by_name(field: Field, world: World) -> None:
    order = field.order(world.ann)
    for content, reason in (
        (b"%PDF-1.7 not a photo", "type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "type"),
        (jpeg()[:5000], "damaged"),
        (bomb(), "pixels"),
    ):
        key = field.photo(world.ann, order, content)["id"]
        problem = field.put(world.ann, key, 0, content, 422)
        assert (problem["code"], problem["params"]["reason"]) == ("not_a_photo", reason)
        assert field.ask(world.ann, "GET", f"/evidence/{key}")["state"] == "refused"
        assert field.client(world.ann).get(f"/api/v1/evidence/{key}/picture").status_code == 404


def test_a_photo_that_arrives_changed_is_sent_again_and_one_too_large_never(field: Field, world: World) -> None:
    order, content = field.order(world.ann), jpeg()
    key = field.photo(world.ann, order, content)["id"]
    problem = field.put(world.ann, key, 0, b"\0" + content[1:], 422)
    assert (problem["code"], problem["params"]["offset"]) == ("hash_mismatch", 0)
    assert field.ask(world.ann, "GET", f"/evidence/{key}")["offset"] == 0
    assert field.put(world.ann, key, 0, content)["state"] == "kept"
    body = _body(field.ask(world.ann, "GET", f"/evidence/{key}")) | {"id": str(uuid7())}
    assert field.ask(world.ann, "POST", "/evidence", body | {"size_bytes": MAX_BYTES + 1}, 413)["code"] == "too_large"
    longer = field.photo(world.ann, order, content, size_bytes=len(content) - 1)["id"]
    assert field.put(world.ann, longer, 0, content, 422)["params"]["most"] == len(content) - 1


def test_the_original_keeps_place_and_time_and_the_pictures_know_neither(field: Field, world: World) -> None:
    order = field.order(world.ann)
    content = with_place(48.0, 11.0, ARRIVED.strftime("%Y:%m:%d %H:%M:%S"), "+00:00")
    place = {"latitude_deg": 48.5, "longitude_deg": 11.0, "accuracy_m": 20}
    key = field.photo(world.ann, order, content, place=place)["id"]
    field.put(world.ann, key, 0, content)
    shown = field.ask(world.ann, "GET", f"/evidence/{key}")
    assert shown["exif_place"]["latitude_deg"] == 48.0
    assert (shown["place"]["latitude_deg"], shown["differs"]) == (48.5, ["place"])
    client = field.client(world.ann)
    assert client.get(f"/api/v1/evidence/{key}/file").content == content
    small = Image.open(io.BytesIO(client.get(f"/api/v1/evidence/{key}/picture").content))
    assert not small.getexif()
    assert small.size == (480, 640)  # upright all the same


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ("2026-11-21T13:00:30", []),  # the same minute in UTC
        ("2026-11-21T21:01:00", []),  # Beijing's clock, no zone told
        ("2026-11-21T13:40:00", ["time"]),  # no zone is 40 minutes off
        ("2026-11-20T13:00:00", ["time"]),
        ("2026-11-21T21:01:00+08:00", []),
        ("2026-11-21T21:01:00+00:00", ["time"]),
        (None, []),
    ],
)
def test_a_camera_without_a_zone_agrees_when_some_zone_makes_it_so(said: str | None, differs: list[str]) -> None:
    assert differences(Told(said), ARRIVED, None, None) == differs


def test_a_photo_step_needs_a_photo_of_this_order_and_documenting_its_arrival(field: Field, world: World) -> None:
    """000-12: completion waits for the photo."""
    made = field.ask(world.planner, "POST", "/procedures", {"code": "S", "name_en": "S", "name_zh": "S"}, 201)
    step = {"key": "seal", "kind": "photo", "title_en": "Seal", "title_zh": "密封"}
    field.ask(world.planner, "PUT", f"/procedures/{made['id']}/draft", {"steps": [step]})
    field.ask(world.planner, "POST", f"/procedures/{made['id']}/publish", {})
    order, other, content = field.order(world.ann), field.order(world.ann), jpeg()
    told = {"procedure_id": made["id"]}
    run = field.ask(world.ann, "POST", f"/work-orders/{order}/procedures", told, 201)["id"]
    foreign = field.photo(world.ann, other, content)["id"]
    mine = field.photo(world.ann, order, content, run_id=run, step="seal")["id"]
    answer = {"run_id": run, "step": "seal"}
    (wrong,) = field.send(world.ann, op("procedure.answer", order, **answer, evidence_ids=[foreign]))
    assert (wrong["state"], wrong["problem"]["params"]["unknown"]) == ("refused", [foreign])
    # Announced is enough to answer; the report waits until it is here.
    done = [
        op("visit.move", order, to="in_progress"),
        op("procedure.answer", order, **answer, evidence_ids=[mine]),
        op("order.finish", order, outcome="confirmed", documented=True),
        op("order.finish", order, outcome="confirmed"),
    ]
    results = field.send(world.ann, *done[:3])
    assert [each["state"] for each in results] == ["applied", "applied", "refused"]
    assert results[2]["problem"]["code"] == "steps_missing"
    assert results[2]["problem"]["params"]["missing"][0]["step"] == "seal"
    field.put(world.ann, mine, 0, content)
    results = field.send(world.ann, done[3], op("order.document", order))
    assert results[1]["answer"]["work_order"]["state"] == "documented"


def test_others_see_no_photo_and_customers_those_meant_for_them(field: Field, world: World) -> None:
    order, content = field.order(world.ann), jpeg()
    shown = field.photo(world.ann, order, content)["id"]
    inside = field.photo(world.ann, order, content, public=False)["id"]
    for key in (shown, inside):
        field.put(world.ann, key, 0, content)
    listed = field.ask(world.client, "GET", f"/evidence?work_order_id={order}")["items"]
    assert [(each["id"], each["place"], each["by"]) for each in listed] == [(shown, None, None)]
    for actor, keys in ((world.client, [inside]), (world.stranger, [shown, inside]), (world.partner, [shown, inside])):
        assert field.ask(world.stranger, "GET", f"/evidence?work_order_id={order}")["items"] == []
        for key in keys:
            for path in ("", "/picture", "/file"):
                assert field.client(actor).get(f"/api/v1/evidence/{key}{path}").status_code in (403, 404)
    assert field.client(world.client).get(f"/api/v1/evidence/{shown}/picture").status_code == 200
    assert field.client(world.client).get(f"/api/v1/evidence/{shown}/file").status_code == 403
    field.ask(world.bob, "POST", f"/evidence/{shown}/remove", {"reason": "mine"}, 403)
    field.put(world.bob, inside, 0, content, 403)
    body = _body(field.ask(world.ann, "GET", f"/evidence/{shown}"))
    for actor, status in ((world.stranger, 403), (world.partner, 404), (world.bob, 403)):
        field.ask(actor, "POST", "/evidence", body | {"id": str(uuid4())}, status)
    gone = field.ask(world.ann, "POST", f"/evidence/{shown}/remove", {"reason": "a face is on it"})
    assert (gone["state"], gone["removed_reason"]) == ("removed", "a face is on it")
    with world.database.as_service() as session:
        row = session.get_one(Evidence, UUID(shown))
        assert (row.content, row.picture, row.thumbnail) == (None, None, None)


def test_photos_and_calls_follow_an_order_to_a_partner_and_back(field: Field, world: World) -> None:
    order, content = field.order(world.ann), jpeg()
    photo = field.photo(world.ann, order, content)["id"]
    field.put(world.ann, photo, 0, content)
    field.send(world.ann, op("help.request", order, what="help", text="It is stuck"))

    def seen(actor: Actor) -> tuple[list[str], int]:
        photos = field.ask(actor, "GET", "/evidence")["items"]
        return [each["id"] for each in photos], len(field.ask(actor, "GET", "/help-requests")["items"])

    assert (seen(world.partner), seen(world.planner)) == (([], 0), ([photo], 1))
    for person, told in ((world.partner, ([photo], 1)), (world.ann, ([], 0)), (world.partner, ([photo], 1))):
        body = {"person_id": str(person.person_id)}
        field.ask(world.planner, "POST", f"/work-orders/{order}/assign", body)
        assert (seen(world.partner), seen(world.planner)) == (told, ([photo], 1))
    assert field.client(world.partner).get(f"/api/v1/evidence/{photo}/file").content == content


def test_the_list_of_all_photos_goes_on_where_a_page_ends(field: Field, world: World) -> None:
    order = field.order(world.ann)
    made = [field.photo(world.ann, order, bytes([each]) * 20)["id"] for each in range(3)]
    first = field.ask(world.planner, "GET", "/evidence?limit=2")
    rest = field.ask(world.planner, "GET", f"/evidence?limit=2&after={first['next']}")
    assert [each["id"] for each in first["items"] + rest["items"]] == sorted(made)
    assert rest["next"] is None
    assert field.ask(world.stranger, "GET", "/evidence")["items"] == []


def test_a_signature_holds_for_what_was_read_and_for_nothing_else(field: Field, world: World) -> None:
    """003-27, 004-26: photos and the drawn name stand in the report; a changed report is signed anew."""
    write_reports(field)  # who writes reports begins with what happens from then on
    field.now = minutes(30)
    order, content = field.order(world.ann), jpeg()
    photo = field.photo(world.ann, order, content, caption="Worn seal")["id"]
    field.put(world.ann, photo, 0, content)
    path = f"/work-orders/{order}/signature"
    early = field.ask(world.ann, "GET", f"/work-orders/{order}/report-preview")
    told = {"name": "Clara Kunde", "content_hash": early["content_hash"], **STROKES}
    assert early["ready"] is False
    assert field.ask(world.ann, "POST", path, told, 409)["code"] == "illegal_move"
    field.send(world.ann, op("visit.move", order, minutes(30), to="in_progress"))
    finish = op("order.finish", order, minutes(30), outcome="confirmed", cause="wear", repair_code="replace")
    assert field.send(world.ann, finish)[0]["state"] == "applied"
    read = field.ask(world.ann, "GET", f"/work-orders/{order}/report-preview")
    assert read["facts"]["photos"][0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert read["facts"]["done"]["cause"]["en"] == "Wear and ageing"
    told["content_hash"] = read["content_hash"]
    assert field.ask(world.ann, "POST", path, told, 409)["code"] == "report_not_written"
    write_reports(field)
    assert field.ask(world.ann, "GET", f"/work-orders/{order}/report-preview")["ready"] is True
    # Something is added before the customer has signed.
    late = op("signature.add", order, minutes(30), **told)
    field.send(world.ann, op("line.add", order, minutes(30), kind="travel", minutes=25))
    changed = field.ask(world.ann, "POST", path, told, 409)
    assert changed["code"] == "report_changed"
    assert changed["params"]["content_hash"] not in (read["content_hash"], None)
    (conflict,) = field.send(world.ann, late)
    assert (conflict["state"], conflict["problem"]["code"]) == ("conflict", "report_changed")
    write_reports(field)
    told["content_hash"] = changed["params"]["content_hash"]
    (signed,) = field.send(world.ann, op("signature.add", order, minutes(30), **told))
    assert signed["state"] == "applied", signed
    assert field.ask(world.ann, "POST", path, told, 409)["code"] == "conflict"
    kept = field.ask(world.client, "GET", path)
    assert (kept["name"], kept["current"], kept["content_hash"]) == ("Clara Kunde", True, told["content_hash"])
    drawing = field.client(world.client).get(f"/api/v1{path}/picture").content
    assert hashlib.sha256(drawing).hexdigest() == kept["sha256"]
    field.ask(world.stranger, "GET", path, None, 404)
    write_reports(field)
    pdf = field.client(world.planner).get(f"/api/v1/work-orders/{order}/report?language=en").content
    assert has_words(pdf, "Clara Kunde")
    assert has_words(pdf, "Worn seal")
    assert pdf.count(b"/Subtype /Image") + pdf.count(b"/Subtype/Image") >= 2
    with world.database.as_service() as session:
        report = session.scalars(select(Report).order_by(Report.revision.desc()).limit(1)).one()
        assert (report.signed_name, report.signature_file) == ("Clara Kunde", kept["sha256"])
        log = session.scalars(select(Event.payload).where(Event.kind == "report.signed")).one()
        assert log["content_hash"] == told["content_hash"]


def png(draw: bool = True, size: tuple[int, int] = (300, 100)) -> str:
    picture = Image.new("RGBA", size)
    if draw:
        ImageDraw.Draw(picture).line((10, 50, 200, 60), fill=(0, 0, 0, 255), width=3)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("image", "strokes", "reason"),
    [
        (png(), None, None),
        (None, STROKES, None),
        (png(draw=False), None, "empty"),
        ("data:image/png;base64,AAAA", None, "type"),
        ("not base64!", None, "base64"),
        (png(size=(5000, 10)), None, "size"),
        (None, {**STROKES, "strokes": []}, "strokes"),
        (None, {**STROKES, "strokes": [[["x", 1]]]}, "strokes"),
        (None, {**STROKES, "strokes": [[[float("nan"), 1]]]}, "strokes"),
        (None, {**STROKES, "width": 0}, "size"),
        (None, None, "size"),
    ],
)
def test_a_signature_is_something_drawn(image: str | None, strokes: Any, reason: str | None) -> None:
    if reason is None:
        made = drawn(image, **(strokes or {}))
        assert Image.open(io.BytesIO(made)).size == (600, 240)
        return
    with pytest.raises(NoSignature) as refused:
        drawn(image, **(strokes or {}))
    assert refused.value.params["reason"] == reason
