"""Who may do what: the table of roles and actions, in full."""

from __future__ import annotations

from uuid import UUID

import pytest

from assets.base.access import ACTIONS, Actor, Role, may, require
from assets.base.errors import Forbidden

# What the outside relies on, role by role; `administrator` may everything a person may.
ALLOWED: dict[Role, str] = {
    Role.PLANNER: "people.read asset.read asset.manage reading.read device.read device.manage finding.read"
    " predicted_job.decide policy.manage request.read request.open request.triage work_order.read work_order.open"
    " work_order.assign work_order.cancel work_order.review event.read alarm.acknowledge alarm.shelve"
    " alarm.remove_from_service maintenance_window.manage on_call.manage",
    Role.DISPATCHER: "people.read asset.read reading.read device.read finding.read request.read request.open"
    " request.triage work_order.read work_order.open work_order.assign work_order.cancel work_order.review"
    " visit.perform event.read alarm.acknowledge alarm.shelve maintenance_window.manage",
    Role.TECHNICIAN: "people.read asset.read reading.read device.read finding.read request.read request.open"
    " work_order.read work_order.open visit.perform event.read alarm.acknowledge",
    Role.STOREKEEPER: "people.read asset.read reading.read device.read finding.read request.read request.open"
    " work_order.read event.read",
    Role.ANALYST: "people.read asset.read reading.read device.read finding.read request.read request.open"
    " work_order.read event.read",
    Role.PARTNER: "people.read asset.read reading.read finding.read work_order.read visit.perform event.read",
    Role.CUSTOMER: "asset.read reading.read request.read request.open work_order.read event.read",
    Role.DEVICE: "device.send",
}

# And in the stock room.
STOCK: dict[Role, str] = {
    Role.PLANNER: "part.read part.manage stock.read stock.use purchase.manage price.read price.manage",
    Role.DISPATCHER: "part.read stock.read stock.use price.read",
    Role.TECHNICIAN: "part.read stock.read stock.use",
    Role.STOREKEEPER: "part.read part.manage stock.read stock.use stock.manage purchase.manage price.read",
    Role.ANALYST: "part.read stock.read price.read",
    Role.PARTNER: "part.read stock.read stock.use",
}

# And with what machines are, what covers them, and the paper about them.
LIFE: dict[Role, str] = {
    Role.PLANNER: "organisation.read customer.manage calendar.manage asset.move asset.retire asset.transfer"
    " asset.rebaseline meter.read warranty.read warranty.manage warranty.register coverage.check coverage.override"
    " coverage.approve contract.read contract.manage contract.consume customer.merge import.run export.read"
    " document.read document.manage label.manage filter.share",
    Role.DISPATCHER: "organisation.read customer.manage asset.move meter.read warranty.read warranty.register"
    " coverage.check coverage.override contract.read contract.consume customer.merge export.read document.read"
    " filter.share",
    Role.TECHNICIAN: "organisation.read asset.move meter.read warranty.read warranty.register coverage.check"
    " coverage.override contract.read contract.consume export.read document.read document.manage label.manage",
    Role.STOREKEEPER: "organisation.read asset.move meter.read warranty.read coverage.check contract.read import.run"
    " export.read document.read filter.share",
    Role.ANALYST: "organisation.read warranty.read contract.read export.read document.read",
    Role.PARTNER: "organisation.read warranty.read coverage.check coverage.override document.read",
    Role.CUSTOMER: "organisation.read warranty.read contract.read document.read",
}

# And with cases, promises, people at work and plans.
WORK: dict[Role, str] = {
    Role.PLANNER: "case.read case.open case.handle case.approve case.write remote_session.run service_type.read"
    " service_type.manage routing.manage work_order.edit work_order.merge work_order.inside"
    " work_order.record procedure.read procedure.manage dispatch.read dispatch.plan dispatch.manage"
    " sla.read sla.manage sla.pause figure.read technician.read technician.manage skill.manage team.manage"
    " shift.manage territory.manage absence.request absence.decide timesheet.read timesheet.own",
    Role.DISPATCHER: "case.read case.open case.handle case.write remote_session.run service_type.read routing.manage"
    " work_order.edit work_order.merge work_order.inside work_order.record procedure.read dispatch.read"
    " dispatch.plan sla.read sla.pause figure.read technician.read technician.manage team.manage"
    " shift.manage absence.request absence.decide timesheet.read timesheet.own",
    Role.TECHNICIAN: "case.read case.open case.write remote_session.run service_type.read work_order.inside"
    " work_order.record procedure.read dispatch.read dispatch.claim sla.read technician.read"
    " absence.request timesheet.own",
    Role.STOREKEEPER: "case.read case.open case.write service_type.read work_order.inside procedure.read dispatch.read"
    " sla.read technician.read absence.request timesheet.own",
    Role.ANALYST: "case.read case.open case.write remote_session.run service_type.read work_order.inside procedure.read"
    " dispatch.read sla.read figure.read technician.read absence.request timesheet.read timesheet.own",
    Role.PARTNER: "case.read case.write service_type.read work_order.inside work_order.record procedure.read"
    " dispatch.read dispatch.claim sla.read technician.read absence.request timesheet.own",
    Role.CUSTOMER: "case.read case.open case.write service_type.read",
}


# And with what comes from the field, what is planned, and who is told.
FIELD: dict[Role, str] = {
    Role.PLANNER: "call.read call.work evidence.add evidence.read forecast.read help.answer help.read"
    " maintenance_plan.manage maintenance_plan.read notification.manage"
    " occurrence.decide reliability.read sync.write",
    Role.DISPATCHER: "call.read call.work evidence.add evidence.read forecast.read help.answer help.read"
    " maintenance_plan.read reliability.read sync.write",
    Role.TECHNICIAN: "evidence.add evidence.read help.read maintenance_plan.read sync.write",
    Role.STOREKEEPER: "evidence.read forecast.read help.answer help.read maintenance_plan.read sync.write",
    Role.ANALYST: "evidence.read forecast.read help.read maintenance_plan.read reliability.read sync.write",
    Role.PARTNER: "evidence.add evidence.read help.read reliability.read sync.write",
    Role.CUSTOMER: "evidence.read reliability.read",
}


def actor(*roles: Role) -> Actor:
    return Actor("person", UUID(int=1), frozenset(roles))


@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_may_exactly_its_actions(role: Role) -> None:
    allowed = " ".join(table.get(role, "") for table in (ALLOWED, STOCK, LIFE, WORK, FIELD))
    assert {action for action in ACTIONS if may(actor(role), action)} == set(allowed.split())


def test_administrator_may_everything_but_speak_as_a_device_and_take_work_from_the_pool() -> None:
    refused = {action for action in ACTIONS if not may(actor(Role.ADMINISTRATOR), action)}
    assert refused == {"device.send", "dispatch.claim"}


def test_stored_words_of_roles_stay() -> None:
    words = "administrator planner dispatcher technician storekeeper partner customer analyst device"
    assert [str(role) for role in Role] == words.split()


def test_nobody_may_an_unknown_action() -> None:
    assert not may(actor(*Role), "asset.explode")
    with pytest.raises(Forbidden):
        require(actor(*Role), "asset.explode")


def test_roles_add_up() -> None:
    both = actor(Role.CUSTOMER, Role.DISPATCHER)
    assert may(both, "request.open")
    assert may(both, "work_order.assign")


def test_without_a_role_nothing_is_allowed() -> None:
    assert not any(may(actor(), action) for action in ACTIONS)


def test_refusal_names_the_roles_that_may() -> None:
    with pytest.raises(Forbidden, match=r"people\.manage needs one of: administrator") as refused:
        require(actor(Role.PLANNER), "people.manage")
    assert refused.value.params == {"action": "people.manage"}
