"""A service organisation for `forewarn bench load`: customers, machines, technicians, and the first of all work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.consumers import run_consumer
from assets.base.db import Database
from assets.people import Organisation, Person, actor_of, add_organisation, add_person
from assets.registry import Asset, AssetModel, Customer, Site, add_asset
from gateway.bench.load_copy import CUSTOMERS, SHIFT_H, SKILLS, Member, Size, World, copy_all, finish
from gateway.bench.servers import Servers
from gateway.sign_in import make_link
from gateway.wiring import CONSUMERS
from ticketing.cases.threads import post
from ticketing.intake import accept_request
from ticketing.models import WorkOrder
from ticketing.people.profiles import set_profile, set_skill
from ticketing.people.shifts import assign, keep_shift
from ticketing.people.tables import Shift, Skill, Team, TechnicianProfile
from ticketing.people.teams import add_team, join
from ticketing.requests import open_request
from ticketing.sla.tables import SlaPolicy, SlaTarget
from ticketing.sla_watch import watch
from ticketing.visits import move_visit, schedule_visit
from ticketing.work_orders import transition


class _Maker:
    """Makes the first ones of everything with the application's own functions."""

    def __init__(self, session: Session, size: Size, now: datetime) -> None:
        self.session, self.size, self.now = session, size, now
        self.operator = add_organisation(session, kind="operator", name="Service", now=now)
        self.model = AssetModel(organisation_id=self.operator.id, code="P1", name_en="Pump", name_zh="泵")
        session.add(self.model)
        session.flush()

    def customers(self) -> list[tuple[int, UUID, UUID, UUID, float, float]]:
        """Make customers with a site each, those of a team near to each other."""
        made = []
        for number in range(CUSTOMERS):
            latitude, longitude = self.place(number % self.size.teams, number // self.size.teams)
            name = f"客户 Customer {number}"
            owner = add_organisation(self.session, kind="customer", name=name, now=self.now, parent=self.operator)
            customer = Customer(organisation_id=owner.id, number=f"C{number:04}", name=name)
            self.session.add(customer)
            self.session.flush()
            site = Site(
                organisation_id=owner.id, customer_id=customer.id, name=f"Plant {number}", time_zone="UTC",
                latitude_deg=latitude, longitude_deg=longitude,
            )  # fmt: skip
            self.session.add(site)
            self.session.flush()
            made.append((number, owner.id, customer.id, site.id, latitude, longitude))
        return made

    def place(self, team: int, number: int) -> tuple[float, float]:
        """Return a place in a team's area, some kilometres from the next one."""
        return 30.0 + team // 5 * 0.8 + number % 5 * 0.04, 113.0 + team % 5 * 0.8 + number // 5 % 5 * 0.04

    def teams(self) -> list[Team]:
        """Make the teams and the hours that they work: from two hours ago, so that the day is under way."""
        begins = (self.now - timedelta(hours=2)).replace(minute=0)
        hours = [[begins.strftime("%H:%M"), (begins + timedelta(hours=SHIFT_H)).strftime("%H:%M")]]
        shift = Shift(
            organisation_id=self.operator.id, name="Day", time_zone="UTC", weeks=[{str(d): hours for d in range(7)}],
            lunch_minutes=0, overtime_minutes=120,
        )  # fmt: skip
        lunch = begins + timedelta(hours=4)
        if 4 <= lunch.hour <= 18:
            shift.lunch_minutes, shift.lunch_from, shift.lunch_until = 30, time(lunch.hour), time(lunch.hour + 3)
        keep_shift(self.session, shift, self.now, word="added", by=None)
        made = []
        for number in range(self.size.teams):
            team = Team(name=f"Team {number}", kind="internal")
            add_team(self.session, team, self.operator, self.now)
            assign(self.session, shift, team, self.now, valid_from=(self.now - timedelta(days=30)).date())
            made.append(team)
        return made

    def skills(self) -> list[Skill]:
        """Make the catalogue of skills."""
        made = [Skill(organisation_id=self.operator.id, code=c, name_en=c, name_zh=c, trade="service") for c in SKILLS]
        self.session.add_all(made)
        self.session.flush()
        return made

    def technician(self, number: int, team: Team, skills: Sequence[Skill]) -> Member:
        """Make a technician with a home, skills and a team."""
        person = self._person(f"Technician {number}", f"t{number}@bench.example", [Role.TECHNICIAN])
        latitude, longitude = self.place(number % self.size.teams, number // self.size.teams)
        profile = TechnicianProfile(
            organisation_id=self.operator.id, person_id=person.id, time_zone="UTC", vehicle="van", currency="CNY",
            home_latitude_deg=latitude + 0.02, home_longitude_deg=longitude + 0.02,
        )  # fmt: skip
        set_profile(self.session, profile, self.now, changed=["home"], by=None)
        for step in range(3):
            set_skill(self.session, person, skills[(number + step) % len(skills)], self.now, level=3 + step % 3)
        join(self.session, team, person, self.now, valid_from=self.now - timedelta(days=30), leads=number < 1)
        return Member(person.id, team.id, make_link(self.session, person.id, self.now))

    def dispatcher(self, number: int, team: Team) -> Member:
        """Make a dispatcher who looks after a team."""
        person = self._person(f"Dispatcher {number}", f"d{number}@bench.example", [Role.DISPATCHER, Role.PLANNER])
        return Member(person.id, team.id, make_link(self.session, person.id, self.now))

    def policy(self) -> None:
        """Promise something for all work, so that there are clocks."""
        policy = SlaPolicy(
            organisation_id=self.operator.id, name="All work", match={}, created_at=self.now, changed_at=self.now
        )
        policy.pauses = {}
        policy.warnings = [{"percent": 80, "tell": [{"to": "dispatchers"}], "repeats": 0, "repeat_minutes": None}]
        self.session.add(policy)
        self.session.flush()
        for clock, minutes in (("response", 240), ("arrival", 5760), ("restoration", 11_520)):
            target = SlaTarget(organisation_id=self.operator.id, policy_id=policy.id, clock=clock, priority="any")
            target.minutes = minutes
            self.session.add(target)
        self.session.flush()

    def _person(self, name: str, email: str, roles: list[Role]) -> Person:
        return add_person(
            self.session, organisation_id=self.operator.id, name=name, email=email, roles=roles, now=self.now
        )


def fill(servers: Servers, size: Size) -> World:
    """Fill the database; return who will sign in."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    database = Database(servers.database_url, pool_size=2)
    try:
        with database.as_service() as session:
            maker = _Maker(session, size, now)
            customers, teams, skills = maker.customers(), maker.teams(), maker.skills()
            maker.policy()
            technicians = [maker.technician(n, teams[n % len(teams)], skills) for n in range(size.phones)]
            dispatchers = [maker.dispatcher(n, teams[n % len(teams)]) for n in range(size.dispatchers)]
            asset = _first_asset(session, maker, customers[0], now)
        firsts = _first_work(database, maker.operator, asset.id, dispatchers[0], technicians[0], teams[0], now)
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute("SET ROLE forewarn_service")
            copy_all(connection, size, customers, [team.id for team in teams], technicians, asset, firsts, now)
            rows = finish(connection, [consumer.name for consumer in CONSUMERS])
    finally:
        database.dispose()
    return World(dispatchers, technicians, rows)


def _first_asset(session: Session, maker: _Maker, customer: tuple[Any, ...], now: datetime) -> Asset:
    _, owner, customer_id, site_id, latitude, longitude = customer
    made = Asset(
        organisation_id=owner, serial="BENCH-0", name="离心泵 Pump 0", asset_model_id=maker.model.id,
        customer_id=customer_id, site_id=site_id, latitude_deg=latitude, longitude_deg=longitude, operation="up",
        created_at=now, installed_at=now - timedelta(days=700), code="BENCH0",
    )  # fmt: skip
    return add_asset(session, made, now)


def _first_work(
    database: Database, operator: Organisation, asset_id: UUID, desk: Member, hands: Member, team: Team, now: datetime
) -> dict[str, UUID]:
    """Live one case through to its end, and others up to where they shall stand; return the cases' ids."""
    firsts: dict[str, UUID] = {}
    for stage in ("new", "waiting", "scheduled", "closed"):
        with database.as_service() as session:
            firsts[stage] = _one(session, stage, asset_id, desk, hands, team, now)
        _settle(database, now)
    return firsts


def _one(session: Session, stage: str, asset_id: UUID, desk: Member, hands: Member, team: Team, now: datetime) -> UUID:
    asset, at = session.get_one(Asset, asset_id), now - timedelta(hours=6)
    by = actor_of(session, session.get_one(Person, desk.id))
    contact = {"name": "Li Na", "phone": "+86 10 5555 0100", "email": "li@customer.example"}
    request = open_request(session, asset=asset, channel="portal", text="It leaks at the seal", contact=contact, now=at)
    case_id = request.case_id
    assert case_id is not None
    if stage == "new":
        return case_id
    order = accept_request(session, request, at + timedelta(minutes=20), by=by)
    order.team_id, order.duration_minutes = team.id, 75
    order.required_skills = [{"skill": SKILLS[0], "level": 1}]
    if stage != "waiting":
        _visited(session, order, by, hands, stage, now)
    return case_id


def _visited(session: Session, order: WorkOrder, by: Actor, hands: Member, stage: str, now: datetime) -> None:
    from ticketing.cases.cases import get_case

    technician = session.get_one(Person, hands.id)
    begins = now - timedelta(hours=4) if stage == "closed" else now + timedelta(hours=20)
    planned = (begins, begins + timedelta(minutes=75))
    visit = schedule_visit(session, order, technician, now - timedelta(hours=5), planned=planned, by=by)
    if stage != "closed":
        return
    me = actor_of(session, technician)
    assert order.case_id is not None
    case = get_case(session, order.case_id)
    post(session, case, text="We come today", now=begins - timedelta(minutes=30), by=by)
    post(
        session, case, text="Spare seal is on the van", now=begins - timedelta(minutes=20), by=by, visibility="internal"
    )
    for step, to in enumerate(("travelling", "in_progress")):
        move_visit(session, order, visit, to, begins + timedelta(minutes=20 * step), by=me)
    done = begins + timedelta(minutes=70)
    move_visit(session, order, visit, "completed", done, by=me, outcome="confirmed", note="Seal replaced")
    transition(session, order, "documented", done + timedelta(minutes=5), by=me)
    transition(session, order, "closed", done + timedelta(minutes=30), by=by)


def _settle(database: Database, now: datetime) -> None:
    """Let all consumers see what happened."""
    for _ in range(5):
        while sum(run_consumer(database, consumer, now) for consumer in CONSUMERS):
            pass
        with database.as_service() as session:
            if not watch(session, now):
                return
