"""Norms, permits, variance, promotion and withdrawal over the field's routes: a planner, technicians, others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from assets.base.access import Role
from assets.base.db import Database
from assets.base.ids import uuid7
from assets.stock.items import Part, add_part
from assets.stock.places import StockLocation
from assets.stock.tables import StockMovement
from assets.stock.usages import PartUsage
from gateway.api.norm_variances import DEFAULT_SPAN
from gateway.supervise.postgres import EmbeddedPostgres
from tests.conftest import _database_maker
from tests.ticketing.field import ARRIVED, Field, minutes, op
from tests.ticketing.world import NOW, World, make_world
from ticketing.people.tables import Skill
from ticketing.procedures.library import get_procedure, in_force
from ticketing.procedures.norms import norms_of
from ticketing.procedures.runs import attach, runs_of

STEPS = [
    {"key": "open", "kind": "check", "title_en": "Open the pump", "title_zh": "打开泵"},
    {"key": "run", "kind": "check", "title_en": "Run it", "title_zh": "试运行"},
]
PERMIT = {
    "code": "LOTO",
    "kind": "electrical",
    "name_en": "Power off",
    "name_zh": "断电",
    "lock_out": True,
    "points": [{"code": "Q1", "name_en": "Switch", "name_zh": "开关", "energy": "electrical"}],
    "steps": ["open"],
}
NORMS = {
    "labour": [{"skill": "mechanic", "level": 1, "people": 1, "minutes": 60}],
    "parts": [{"number": "SEAL", "quantity": 2}],
    "permits": [PERMIT],
}


@pytest.fixture(scope="module")
def world(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[World]:
    """One world for all of these tests: each has a procedure and orders of its own."""
    for make in _database_maker(cluster, empty_template):
        database = Database(make(migrated_template))
        yield make_world(database)
        database.dispose()


@pytest.fixture(scope="module")
def field(world: World, tmp_path_factory: pytest.TempPathFactory) -> Field:
    """The field's routes over the world."""
    return Field(world, tmp_path_factory.mktemp("field"))


@pytest.fixture(scope="module")
def seal(world: World) -> UUID:
    """A seal of the operator's that costs 30, and a skill."""
    with world.database.as_service() as session:
        names = {"code": "mechanic", "name_en": "Mechanic", "name_zh": "机修"}
        session.add(Skill(organisation_id=world.operator, **names))
        part = Part(organisation_id=world.operator, number="SEAL", name_en="Seal", name_zh="密封", kind="part")
        part.unit, part.tracking, part.decimals, part.created_at = "pcs", "none", 0, NOW
        part.standard_cost, part.currency = Decimal(30), "CNY"
        return add_part(session, part).id


@pytest.fixture(autouse=True)
def on_time(field: Field) -> None:
    """Every test begins when batches arrive."""
    field.now = ARRIVED


def published(field: Field, norms: dict[str, Any] | None = None) -> dict[str, Any]:
    """Publish a procedure; return it."""
    planner = field.world.planner
    body = {
        "code": f"SOP-{uuid7().hex}",
        "name_en": "Seal",
        "name_zh": "换密封",
        "steps": STEPS,
        "norms": norms or NORMS,
    }
    made = field.ask(planner, "POST", "/procedures", body, 201)
    found: dict[str, Any] = field.ask(planner, "POST", f"/procedures/{made['id']}/publish", {})
    return found


def started(field: Field, procedure: str) -> tuple[str, str]:
    """Open an order of Ann's with the procedure, an hour before batches arrive; return order and run."""
    field.now = minutes(60)
    order = field.order(field.world.ann)
    told = {"procedure_id": procedure}
    run = field.ask(field.world.ann, "POST", f"/work-orders/{order}/procedures", told, 201)["id"]
    field.now = ARRIVED
    return order, run


def used(world: World, order: str, seal: UUID, quantity: int) -> None:
    """Note seals that an order used, at 31 each."""
    with world.database.as_service() as session:
        place = StockLocation(
            organisation_id=world.operator, code=f"VAN-{order}", name="Van", kind="van", created_at=NOW
        )
        move = StockMovement(organisation_id=world.operator, kind="issue", occurred_at=ARRIVED, received_at=ARRIVED)
        session.add_all([place, move])
        session.flush()
        usage = PartUsage(organisation_id=world.operator, movement_id=move.id, part_id=seal, location_id=place.id)
        usage.work_order_id, usage.quantity, usage.occurred_at = UUID(order), Decimal(quantity), ARRIVED
        usage.unit_cost, usage.cost_currency = Decimal(31), "CNY"
        session.add(usage)


def finished(field: Field, order: str, worked: int) -> None:
    """Write down how long it took, with half an hour of travel, and finish."""
    ann = field.world.ann
    ended = ARRIVED.isoformat()
    for kind, long in (("labour", worked), ("travel", 30)):
        begun = (ARRIVED - timedelta(minutes=long)).isoformat()
        body = {"kind": kind, "started_at": begun, "ended_at": ended, "person_id": str(ann.person_id)}
        field.ask(ann, "POST", f"/work-orders/{order}/lines", body, 201)
    end = op("order.finish", order, outcome="confirmed", repair_code="bearing_replaced")
    done = field.send(ann, op("visit.move", order, to="in_progress"), end)
    assert [one["state"] for one in done] == ["applied"] * 2, done


def test_a_step_waits_for_its_permit_also_when_all_of_it_arrives_later(field: Field, world: World, seal: UUID) -> None:
    """003-37: signed on, locked, confirmed and answered in a network hole; off again before it is documented."""
    order, run = started(field, published(field)["id"])
    ann, bob = world.ann, world.bob
    early = {"step": "open", "value": True}
    refused = field.ask(ann, "POST", f"/procedure-runs/{run}/answers", early, 409)
    assert (refused["code"], refused["params"]["missing"]) == ("permit_missing", ["sign_on", "lock", "confirm"])
    free = op("procedure.answer", order, minutes(50), run_id=run, step="run", value=True)
    told = {"run_id": run, "permit": "LOTO"}
    batch = [
        op("permit.enter", order, minutes(40), **told, action="sign_on"),
        op("permit.enter", order, minutes(39), **told, action="lock", point="Q1", lock_number="A-7"),
        op("permit.enter", order, minutes(38), **told, action="confirm"),
        op("procedure.answer", order, minutes(30), run_id=run, step="open", value=True),
    ]
    results = field.send(ann, free, *batch)
    assert [one["state"] for one in results] == ["applied"] * 5, results
    assert [one["repeated"] for one in field.send(ann, *batch)] == [True] * 4
    (shown,) = field.ask(ann, "GET", f"/work-orders/{order}/procedures")["items"]
    entries = [(one["action"], one["person"]["name"], one["lock_number"]) for one in shown["permit_entries"]]
    assert entries == [("sign_on", "Ann", None), ("lock", "Ann", "A-7"), ("confirm", "Ann", None)]
    assert shown["permits"][0]["code"] == "LOTO"
    assert shown["missing"] == []
    # Somebody else's lock stays theirs; the work is not documented and the checklist not taken away under it.
    (theirs,) = field.send(ann, op("permit.enter", order, **told, action="sign_off"))
    assert theirs["problem"]["params"]["why"] == "own_locks_on"
    begun = op("visit.move", order, minutes(55), to="in_progress")
    _, finish = field.send(ann, begun, op("order.finish", order, outcome="confirmed", documented=True))
    assert finish["problem"]["code"] == "permit_open"
    gone = field.ask(world.planner, "POST", f"/procedure-runs/{run}/remove", {"reason": "not needed"}, 409)
    assert gone["code"] == "permit_open"
    assert field.ask(bob, "POST", f"/procedure-runs/{run}/permits", {"permit": "LOTO", "action": "sign_on"}, 403)
    off = [op("permit.enter", order, **told, action=what, point=point) for what, point in
           (("unlock", "Q1"), ("sign_off", None))]  # fmt: skip
    done = field.send(ann, *off, op("order.finish", order, outcome="confirmed", documented=True))
    assert [one["state"] for one in done] == ["applied"] * 3, done


def test_the_desk_takes_off_a_forgotten_lock_with_a_word_on_it(field: Field, world: World, seal: UUID) -> None:
    _order, run = started(field, published(field)["id"])
    path = f"/procedure-runs/{run}/permits"
    body = {"permit": "LOTO", "action": "sign_on"}
    field.ask(world.ann, "POST", path, body)
    again = {**body, "id": str(uuid7()), "action": "lock", "point": "Q1"}
    first = field.ask(world.ann, "POST", path, again)
    assert field.ask(world.ann, "POST", path, again)["permit_entries"] == first["permit_entries"]
    unlock = {**body, "action": "unlock", "point": "Q1", "of_person_id": str(world.ann.person_id)}
    assert field.ask(world.planner, "POST", path, unlock, 422)["params"]["field"] == "note"
    shown = field.ask(world.planner, "POST", path, {**unlock, "note": "Ann went home"})
    last = shown["permit_entries"][-1]
    assert (last["person"]["name"], last["of_person"]["name"]) == ("Paula", "Ann")
    for other in (world.stranger, world.client, world.partner):
        status = field.client(other).post(f"/api/v1{path}", json=body).status_code
        assert status in (403, 404)
    assert field.ask(world.ann, "POST", path, {**body, "permit": "NONE"}, 404)["code"] == "not_found"


def test_norms_are_kept_with_the_version_and_priced_when_it_is_published(
    field: Field, world: World, seal: UUID
) -> None:
    """003-37: one hour at 120 and two seals at 30 are 180; the order keeps that whatever is written later."""
    rate = {"skill": "mechanic", "rate": 120, "valid_from": "2026-01-01"}
    kept = field.ask(world.planner, "POST", "/labour-rates", rate, 201)
    assert field.ask(world.planner, "POST", "/labour-rates", rate, 409)["code"] == "conflict"
    assert field.ask(world.ann, "GET", "/labour-rates", status=403)["code"] == "forbidden"
    sop = published(field)
    (version,) = sop["versions"]
    assert (version["standard_cost"]["total"], version["standard_cost"]["complete"]) == (180.0, True)
    assert version["norms"]["parts"][0]["name_zh"] == "密封"
    order, _ = started(field, sop["id"])
    path = f"/procedures/{sop['id']}"
    changed = {"steps": STEPS[:1], "norms": {**NORMS, "labour": [{"minutes": 30}], "parts": []}}
    draft = field.ask(world.planner, "PUT", f"{path}/draft", changed)["versions"][0]
    assert draft["norms"]["labour"][0]["minutes"] == 30
    field.ask(world.planner, "PUT", f"/labour-rates/{kept['id']}", {**rate, "rate": 60})
    recount = field.ask(world.planner, "POST", f"{path}/versions/1/standard-cost", {})
    assert recount["versions"][1]["standard_cost"]["total"] == 120.0
    compared = field.ask(world.planner, "GET", f"/work-orders/{order}/variance")
    assert (compared["norm_minutes"], compared["standard_cost"]) == (60, 180.0)
    assert field.ask(world.ann, "GET", f"/work-orders/{order}/variance")["standard_cost"] is None
    assert field.ask(world.ann, "GET", path)["versions"][1]["standard_cost"] is None
    theirs = replace(world.client, roles=frozenset({Role.PLANNER}), person_id=uuid7())
    for told in field.ask(theirs, "GET", path)["versions"]:
        assert (told["standard_cost"], told["origin"]) == (None, None)
    seen = field.ask(theirs, "GET", f"/work-orders/{order}/variance")
    assert (seen["norm_minutes"], seen["standard_cost"]) == (60, None)
    assert field.ask(theirs, "GET", "/labour-rates")["items"] == []
    with world.database.as_service() as session:
        current = in_force(session, [UUID(sop["id"]), uuid7()])
        assert norms_of(current[UUID(sop["id"])].norms).minutes_by_skill() == {"mechanic": 60}
    field.ask(world.planner, "DELETE", f"/labour-rates/{kept['id']}", status=204)


@pytest.mark.parametrize(
    ("norms", "problem"),
    [
        ({"labour": [{"skill": "wizard", "minutes": 5}]}, "no_such_skill"),
        ({"parts": [{"number": "GHOST"}]}, "no_such_item"),
        ({"tools": [{"number": "SEAL", "minutes": 5}]}, "wrong_kind"),
        ({"parts": [{"number": "SEAL"}, {"number": "SEAL"}]}, "repeated"),
        ({"permits": [{**PERMIT, "steps": ["gone"]}]}, "steps"),
    ],
)
def test_norms_that_name_what_is_not_there_are_refused(
    field: Field, world: World, seal: UUID, norms: dict[str, Any], problem: str
) -> None:
    body = {"code": "X", "name_en": "X", "name_zh": "X", "steps": STEPS, "norms": norms}
    refused = field.ask(world.planner, "POST", "/procedures", body, 422)
    assert (refused["code"], refused["params"]["problem"]) == ("bad_norm", problem)


def test_orders_are_compared_with_their_norm_listed_and_drilled_down(field: Field, world: World, seal: UUID) -> None:
    """003-37: 90 minutes against 60, travel apart, three seals against two, each way of grouping down to the order."""
    rate = {"rate": 120, "valid_from": "2026-01-01"}
    field.ask(world.planner, "POST", "/labour-rates", rate, 201)
    sop = published(field, {**NORMS, "permits": []})
    order, _ = started(field, sop["id"])
    used(world, order, seal, 3)
    finished(field, order, 90)
    one = field.ask(world.planner, "GET", f"/work-orders/{order}/variance")
    assert (one["minutes"], one["difference_minutes"], one["percent"], one["travel_minutes"]) == (90, 30, 50.0, 30)
    labour, part = one["rows"]
    assert (labour["state"], part["state"], part["planned"], part["actual"]) == ("more", "more", 2.0, 3.0)
    # 1.5 h at the standard 120 and 3 × 31 against 120 + 60: 30 min and one seal more, and 3 for the dearer seals.
    assert (one["standard_cost"], one["cost"], one["difference_cost"]) == (180.0, 273.0, 93.0)
    assert (part["by_quantity"], part["by_price"]) == (30.0, 3.0)
    field.now, mine = ARRIVED + timedelta(hours=1), f"procedure_id={sop['id']}"
    for by, name in (("procedure", sop["code"]), ("version", f"{sop['code']} v1"), ("technician", "Ann"),
                     ("asset_model", "P100"), ("month", "2026-11"), ("none", None)):  # fmt: skip
        told = field.ask(world.planner, "GET", f"/norm-variances?{mine}&by={by}")
        (group,) = told["items"]
        assert (group["n"], group["ratio"], group["cost_ratio"]) == (1, 1.5, pytest.approx(273 / 180))
        assert group["name"] == name or by == "none"
        behind = field.ask(world.planner, "GET", f"/norm-variances/orders?{mine}&by={by}&group={group['key']}")
        assert [each["work_order_id"] for each in behind["items"]] == [order]
    assert told["formulas"].keys() == {"labour", "parts", "tools", "cost", "ratio"}
    file = field.client(world.planner).get(f"/api/v1/norm-variances/export?{mine}&format=csv")
    assert (file.status_code, file.text.count(f"{sop['code']} v1")) == (200, 1)
    nothing = field.ask(world.planner, "GET", f"/norm-variances?procedure_id={uuid7()}")
    assert (nothing["items"], nothing["total"]["n"], nothing["total"]["ratio"]) == ([], 0, None)
    wrong = f"/norm-variances?from={(ARRIVED + DEFAULT_SPAN).isoformat().replace('+', '%2B')}"
    assert field.ask(world.planner, "GET", wrong, status=422)["params"]["field"] == "from"
    assert field.ask(world.stranger, "GET", "/norm-variances", status=403)["code"] == "forbidden"


def test_a_good_order_is_promoted_to_a_draft_and_published_by_a_planner(field: Field, world: World, seal: UUID) -> None:
    """003-38: a new procedure, then the next version of it; the origin is kept, nobody's words go along."""
    first = published(field, {**NORMS, "permits": []})
    order, run = started(field, first["id"])
    answer = {"step": "open", "value": True, "note": "ask Mr Wang"}
    field.ask(world.ann, "POST", f"/procedure-runs/{run}/answers", answer)
    body = {"code": f"GOOD-{uuid7().hex}", "name_en": "Good", "name_zh": "好"}
    path = f"/work-orders/{order}/promote"
    assert field.ask(world.planner, "POST", path, body, 409)["code"] == "illegal_move"
    used(world, order, seal, 1)
    finished(field, order, 45)
    assert field.ask(world.ann, "POST", path, body, 403)["code"] == "forbidden"
    assert field.ask(world.planner, "POST", path, {}, 422)["params"]["field"] == "code"
    made = field.ask(world.planner, "POST", path, body, 201)
    (draft,) = made["versions"]
    assert (draft["state"], [step["key"] for step in draft["steps"]]) == ("draft", ["open", "repair"])
    assert draft["steps"][1]["title_zh"] == "完成：更换轴承"
    assert draft["norms"]["labour"] == [{"skill": "mechanic", "level": 1, "people": 1, "minutes": 45}]
    assert [(one["number"], one["quantity"]) for one in draft["norms"]["parts"]] == [("SEAL", 1.0)]
    assert (draft["origin"]["work_order_id"], draft["origin"]["facts"]["answers"]) == (order, 1)
    assert "Wang" not in str(made)
    assert "Ann" not in str(made)
    assert field.ask(world.planner, "POST", path, body, 409)["code"] == "conflict"  # the code is taken
    onto = {"procedure_id": made["id"]}
    assert field.ask(world.planner, "POST", path, onto, 409)["params"]["what"] == "draft"
    assert field.ask(world.planner, "POST", path, {**onto, "replace": True}, 201)["draft"] == 1
    field.ask(world.planner, "POST", f"/procedures/{made['id']}/publish", {})
    assert field.ask(world.planner, "POST", path, onto, 201)["draft"] == 2
    assert field.ask(world.ann, "GET", f"/procedures/{made['id']}")["versions"][0]["origin"] is None


@pytest.mark.parametrize("stop", [False, True])
def test_a_version_withdrawn_while_in_use(field: Field, world: World, seal: UUID, stop: bool) -> None:
    """Bad input of issue 7: work under way goes on, or stops until it is renewed; new work gets none."""
    sop = published(field, {**NORMS, "permits": []})
    order, run = started(field, sop["id"])
    path = f"/procedures/{sop['id']}"
    assert field.ask(world.planner, "POST", f"{path}/withdraw", {"reason": " "}, 422)["code"] == "invalid"
    told = field.ask(world.planner, "POST", f"{path}/withdraw", {"reason": "wrong torque", "stop": stop})
    assert (told["published"], told["versions"][0]["state"]) == (None, "withdrawn")
    (use,) = field.ask(world.planner, "GET", f"{path}/in-use")["items"]
    assert (use["work_order_id"], use["stopped_at"] is not None) == (order, stop)
    assert field.ask(world.planner, "POST", f"{path}/withdraw", {"reason": "again"}, 409)["code"] == "conflict"
    other = field.order(world.ann)
    told_of = {"procedure_id": sop["id"]}
    assert field.ask(world.ann, "POST", f"/work-orders/{other}/procedures", told_of, 409)["code"] == "conflict"
    assert field.ask(world.ann, "POST", f"/procedure-runs/{run}/renew", {}, 409)["code"] == "conflict"
    answer = {"step": "open", "value": True}
    refused = field.ask(world.ann, "POST", f"/procedure-runs/{run}/answers", answer, 409 if stop else 200)
    assert not stop or (refused["code"], refused["params"]["reason"]) == ("version_withdrawn", "wrong torque")
    field.ask(world.planner, "PUT", f"{path}/draft", {"steps": STEPS})
    field.ask(world.planner, "POST", f"{path}/publish", {})
    renewed = field.ask(world.ann, "POST", f"/procedure-runs/{run}/renew", {})
    assert (renewed["version_number"], renewed["stopped_at"], renewed["answers"]) == (2, None, {})
    assert field.ask(world.ann, "POST", f"/procedure-runs/{renewed['id']}/answers", answer)["missing"] == ["run"]


def test_a_round_looks_at_each_machine_by_the_same_procedure(field: Field, world: World, seal: UUID) -> None:
    sop, order = published(field), field.order(world.ann)
    with world.database.as_service() as session:
        procedure = get_procedure(session, UUID(sop["id"]))
        version = in_force(session, [procedure.id])[procedure.id]
        about: dict[str, Any] = {
            "organisation_id": world.customer,
            "subject_kind": "work_order",
            "subject_id": UUID(order),
        }
        made = [
            attach(session, procedure, version, asset_id=machine, now=NOW, each_asset=True, **about).id
            for machine in (world.pump, world.other_pump, world.pump)
        ]
        assert len(set(made)) == len(runs_of(session, UUID(order))) == 2


def test_a_procedure_is_carried_to_another_place_by_numbers_and_codes(field: Field, world: World, seal: UUID) -> None:
    sop = published(field)
    file = field.ask(world.planner, "GET", f"/procedures/{sop['id']}/file")
    assert file["norms"]["parts"] == [{"number": "SEAL", "quantity": 2.0}]
    assert str(seal) not in str(file)
    made = field.ask(world.planner, "POST", "/procedures/import", {**file, "code": f"COPY-{uuid7().hex}"}, 201)
    assert made["versions"][0]["norms"] == sop["versions"][0]["norms"]
    again = field.ask(world.planner, "POST", "/procedures/import", file, 201)
    assert (again["id"], again["draft"]) == (sop["id"], 2)
    assert field.ask(world.planner, "POST", "/procedures/import", file, 409)["params"]["what"] == "draft"
    assert field.client(world.planner).post("/api/v1/procedures/import", json={"format": "x"}).status_code == 422
    assert field.ask(world.ann, "POST", "/procedures/import", file, 403)["code"] == "forbidden"
