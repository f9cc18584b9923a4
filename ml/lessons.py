"""What was learned about assets of a kind, as the service hands it to their detectors: one place for all who ask."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.registry import Asset, AssetModel
from ingest.store.hourly import rows_an_hour
from maintenance.decisions import SELF_EVIDENT_LAYERS, FindingFacts
from maintenance.feedback_settings import feedback_for
from ml.blocks import asset_setup
from ml.detectors.protocol import State
from ml.detectors.setup import AssetSetup
from ml.detectors.wear import COARSE_ROWS
from ml.detectors.wear_belief import WearBelief, template
from ml.openers import settings_for
from ml.store.artefacts import ModelDamaged, ModelUnreadable
from ml.store.tables import CHAMPION, FAILURE, OPENERS, PEERS, WEAR, StoredModel
from ml.store.versions import ContentForgotten, load_state, tell_unusable
from ml.stored_fleet import BUDGET_PER_MONTH, MONTH_S
from ml.wear_training import TEMPLATE_DECADE

log = logging.getLogger(__name__)

FRESH = timedelta(minutes=10)  # how soon a worker follows
DOUBTED = 0.2  # confidence of what history does not trust to open orders: policies ask for 0.5
SHIFT = 2.0  # log-odds by which a budget moves the shipped level at most
NOTHING: Mapping[str, State] = {}  # one object: whoever compares setups sees at once that nothing changed
UNREADABLE = (ModelDamaged, ModelUnreadable, ContentForgotten, KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who may open orders, as history decided; see `ml.openers.choose`."""

    opens: float
    clears: float
    openers: tuple[str, ...] | None
    beside: bool
    known: frozenset[str] | None
    elsewhere: tuple[str, ...] | None

    def of(self, code: str, has_model: bool) -> tuple[str, ...] | None:
        """The detectors whose machine findings may open orders on an asset of this model; None: all."""
        if has_model and not self.beside:
            return ()
        return self.openers if self.known is None or code in self.known else self.elsewhere

    def plain(self) -> State:
        return {
            "opens": self.opens,
            "clears": self.clears,
            "openers": None if self.openers is None else list(self.openers),
            "beside": self.beside,
            "known": None if self.known is None else sorted(self.known),
            "elsewhere": None if self.elsewhere is None else list(self.elsewhere),
        }

    @classmethod
    def from_plain(cls, stored: Mapping[str, Any]) -> Choice:
        def names(value: Any) -> tuple[str, ...] | None:
            return None if value is None else tuple(str(name) for name in value)

        known = names(stored["known"])
        return cls(
            float(stored["opens"]), float(stored["clears"]), names(stored["openers"]), bool(stored["beside"]),
            None if known is None else frozenset(known), names(stored["elsewhere"]),
        )  # fmt: skip


class Lessons:
    """What is in force, by organisation and asset model. Read anew every `FRESH`; equal lessons stay one object.

    The one that `tells` puts on record what cannot be read.
    """

    def __init__(self, tells: bool = False) -> None:
        self._tells = tells
        self._read_at: datetime | None = None
        self._serving: dict[tuple[UUID, str], UUID] = {}  # (owner of models, name) -> version
        self._families: dict[UUID, frozenset[str]] = {}  # owner -> asset models that a failure model speaks for
        self._budgets: dict[UUID, float] = {}
        self._pages: dict[UUID, Any] = {}  # by version
        self._taught: dict[tuple[Any, ...], Mapping[str, State]] = {}
        self._shipped: dict[float, State] = {}  # by budget
        self._paces: dict[UUID, float] = {}

    def setup(self, session: Session, model: AssetModel | None, asset: Asset, now: datetime) -> AssetSetup:
        """Return all that the asset's detectors are told before its first reading. Needs the service role."""
        self._refresh(session, now)
        budget = self._budget(session, asset.organisation_id)
        setup = asset_setup(model, asset, settings_for(budget, MONTH_S))
        setup = replace(setup, taught=self.of(session, model, now, budget))
        choice = self._choice(session, model)
        if model is None or choice is None or self._pace(session, asset.id) > COARSE_ROWS:
            return setup  # how eager to be with readings of every second hourly means do not say
        has_model = model.code in self._families.get(model.organisation_id, ())
        return replace(
            setup,
            residual=replace(setup.residual, opens=choice.opens, clears=choice.clears),
            openers=choice.of(model.code, has_model),
        )

    def of(
        self, session: Session, model: AssetModel | None, now: datetime, budget: float = BUDGET_PER_MONTH
    ) -> Mapping[str, State]:
        """Return what was taught about assets of this model, by detector id; empty where nothing was."""
        self._refresh(session, now)
        peers = self._serving.get((model.organisation_id, peers_name(model.code))) if model else None
        worn = self._serving.get((model.organisation_id, WEAR)) if model else None
        key = (peers, worn, budget)
        if key not in self._taught:
            taught = dict(self._page(session, peers, _peers) or NOTHING) if peers else {}
            belief = self._page(session, worn, belief_of) if worn else None
            if belief is None and budget != BUDGET_PER_MONTH:
                belief = self._for_budget(budget)
            self._taught[key] = (taught | {"wear": belief} if belief is not None else taught) or NOTHING
        return self._taught[key]

    # ------------------------------------------------------------------ what is in force

    def _refresh(self, session: Session, now: datetime) -> None:
        if self._read_at is not None and now - self._read_at <= FRESH:
            return
        self._read_at = now
        serving = select(StoredModel.organisation_id, StoredModel.name, StoredModel.id, StoredModel.kind)
        rows = session.execute(
            serving.add_columns(StoredModel.card["asset_models"].label("family")).where(
                StoredModel.kind.in_((PEERS, WEAR, OPENERS, FAILURE)), StoredModel.state == CHAMPION
            )
        ).all()
        self._serving = {(row.organisation_id, row.name): row.id for row in rows if row.kind != FAILURE}
        families: dict[UUID, set[str]] = {}
        for row in rows:
            if row.kind == FAILURE:
                families.setdefault(row.organisation_id, set()).update(row.family or ())
        self._families = {owner: frozenset(codes) for owner, codes in families.items()}
        standing = set(self._serving.values())
        self._pages = {each: page for each, page in self._pages.items() if each in standing}
        self._taught = {key: each for key, each in self._taught.items() if {key[0], key[1]} <= standing | {None}}
        self._budgets, self._paces = {}, {}

    def _page(self, session: Session, version: UUID, read: Any) -> Any:
        """The content of a version; None where it cannot be read: assets then learn from themselves alone."""
        if version not in self._pages:
            model = session.get_one(StoredModel, version)
            try:
                self._pages[version] = read(load_state(session, model))
            except UNREADABLE as error:
                log.error("%s version %d is not used: %s", model.name, model.version, error)
                self._pages[version] = None
                if self._tells and self._read_at is not None:
                    tell_unusable(session, model, error, self._read_at)
        return self._pages[version]

    def _choice(self, session: Session, model: AssetModel | None) -> Choice | None:
        version = self._serving.get((model.organisation_id, OPENERS)) if model else None
        choice: Choice | None = self._page(session, version, Choice.from_plain) if version else None
        return choice

    def _budget(self, session: Session, owner: UUID) -> float:
        if owner not in self._budgets:
            self._budgets[owner] = feedback_for(session, owner).budget_per_month
        return self._budgets[owner]

    def _for_budget(self, budget: float) -> State:
        """The shipped belief at the level for another budget than the one that it was made for."""
        if budget not in self._shipped:
            shift = TEMPLATE_DECADE * float(np.log10(BUDGET_PER_MONTH / budget))
            level = template().level + min(max(shift, -SHIFT), SHIFT)
            self._shipped[budget] = replace(template(), level=level).to_plain()
        return self._shipped[budget]

    def _pace(self, session: Session, asset_id: UUID) -> float:
        if asset_id not in self._paces:
            self._paces[asset_id] = rows_an_hour(session, asset_id)
        return self._paces[asset_id]


def weighed(fact: FindingFacts, openers: tuple[str, ...] | None) -> FindingFacts:
    """The finding as sure as history allows: where its detector may open no orders, one for the watch list.

    A limit that somebody set is not history's to doubt: the choice is made without any.
    """
    if openers is None or fact.kind != "machine" or fact.detector in openers or fact.layer in SELF_EVIDENT_LAYERS:
        return fact
    return replace(fact, confidence=min(fact.confidence, DOUBTED))


def peers_name(code: str) -> str:
    return f"peers:{code}"


def _peers(state: State) -> Mapping[str, State]:
    return {str(name): taught for name, taught in state["taught"].items()}


def belief_of(state: State) -> State:
    """Raise ValueError where it was written for other features: a detector must never meet it."""
    plain: State = state["belief"]
    WearBelief.from_plain(plain)
    return plain
