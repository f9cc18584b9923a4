"""Which team or queue takes a case: the first rule that fits, by service type, region, territory and customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.db import service_rights
from assets.registry import Site
from ticketing.cases.tables import Case, RoutingRule, ServiceType
from ticketing.people.tables import Team, TerritoryCover
from ticketing.people.territories import territories_of

MAX_RULES = 500


class Rule(Protocol):
    """What a rule says; None in a condition fits everything."""

    @property
    def active(self) -> bool:
        """Whether it counts."""

    @property
    def service_type_id(self) -> UUID | None:
        """For this service type."""

    @property
    def region(self) -> str | None:
        """For this region, as a word."""

    @property
    def territory_id(self) -> UUID | None:
        """For this territory."""

    @property
    def customer_id(self) -> UUID | None:
        """For this customer."""


R = TypeVar("R", bound=Rule)


@dataclass(frozen=True, slots=True)
class Asked:
    """What routing looks at. `address`: a region fits too when it stands in there."""

    service_type_id: UUID | None = None
    region: str | None = None
    address: str = ""
    territories: tuple[UUID, ...] = ()
    customer_id: UUID | None = None


def route(rules: Sequence[R], asked: Asked) -> R | None:
    """Return the first active rule whose every condition fits, None when none does. Regions match without case."""
    for rule in rules:
        fits = (
            rule.active
            and rule.service_type_id in (None, asked.service_type_id)
            and (rule.region is None or _there(rule.region, asked))
            and (rule.territory_id is None or rule.territory_id in asked.territories)
            and rule.customer_id in (None, asked.customer_id)
        )
        if fits:
            return rule
    return None


def route_case(session: Session, case: Case) -> UUID | None:
    """Set team, queue and priority of a case by its desk's rules, else the team that covers its territory.

    Return the rule's id. A customer who opens a case sees neither rules nor territories, hence the service's rights.
    """
    with service_rights(session):
        site = session.get(Site, case.site_id) if case.site_id else None
        kind = session.get(ServiceType, case.service_type_id) if case.service_type_id else None
        territories = [
            match.territory.id
            for match in territories_of(
                session,
                site.latitude_deg if site else None,
                site.longitude_deg if site else None,
                service_type=kind.code if kind else None,
                site_id=case.site_id,
                region=case.region,
                organisation_id=case.desk_organisation_id,
            )
        ]
        asked = Asked(
            service_type_id=case.service_type_id,
            region=case.region or getattr(site, "region", None),
            address=(site.address or "") if site else "",
            territories=tuple(territories),
            customer_id=case.customer_id,
        )
        rule = route(rules_of(session, case.desk_organisation_id), asked)
        if rule is not None:
            case.team_id, case.queue = rule.team_id, rule.queue
            case.priority = rule.priority or case.priority
        elif territories:
            covers = select(TerritoryCover.team_id).where(
                TerritoryCover.territory_id == territories[0], TerritoryCover.team_id.is_not(None)
            )
            case.team_id = session.scalar(covers.order_by(TerritoryCover.id).limit(1))
        case.executing_organisation_id = executor_of(case, session.get(Team, case.team_id) if case.team_id else None)
        return rule.id if rule else None


def executor_of(case: Case, team: Team | None) -> UUID | None:
    """Return the organisation of an outsourced team: it carries the case out, and sees it while it does."""
    outside = team is not None and team.kind == "outsourced" and team.organisation_id != case.desk_organisation_id
    return team.organisation_id if team is not None and outside else None


def rules_of(session: Session, desk_id: UUID) -> list[RoutingRule]:
    """Return a desk's rules in their order."""
    wanted = select(RoutingRule).where(RoutingRule.organisation_id == desk_id)
    return list(session.scalars(wanted.order_by(RoutingRule.position, RoutingRule.id).limit(MAX_RULES)))


def _there(region: str, asked: Asked) -> bool:
    word = region.strip().casefold()
    return word == (asked.region or "").strip().casefold() or (bool(word) and word in asked.address.casefold())
