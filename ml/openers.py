"""Choose on history who may open work orders and how eagerly: the best recall that keeps the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml import figures
from ml.detectors.protocol import State
from ml.detectors.residual import ResidualSettings
from ml.detectors.wear_belief import WearBelief
from ml.learning import Say, Taught
from ml.spread import Spread
from ml.supervised import affordable
from ml.training_set import Asset, Walkable
from ml.training_set import history as of_history
from ml.walking import Learned, Walk, orders_of, walk_asset
from ml.watching import DETECTOR
from ml.wear_training import WearLessons

LEVELS = (4.0, 6.0, 8.0, 11.0, 16.0)  # tried on history for the residual model
MIN_INCIDENTS = 3
ENOUGH = 0.95  # recall of failure models that leaves nothing worth trying
MIN_MODELS = 3  # of history: fewer say nothing about how much asset models differ
# Where no level keeps the budget on history: limits need no learning, slow wear keeps its own budget.
RESTRAINED = frozenset({"limits", "wear"})
PassedOn = Mapping[str, Mapping[str, Mapping[str, State]]]  # by history asset: see `Learned.passed_on`
MAX_ASSETS = 40  # of history walked for this: the first by name of each asset model in turn


@dataclass(frozen=True, slots=True)
class Tried:
    """One way of opening orders and what it gave on history."""

    settings: ResidualSettings
    openers: frozenset[str] | None
    recall: float
    false: int
    months: float
    by_model: tuple[tuple[int, float], ...] = ()  # false orders and asset-months of each asset model

    @property
    def rate(self) -> float:
        return self.false / self.months if self.months > 0 else np.inf

    @property
    def rate_elsewhere(self) -> float:
        """What to expect on asset models that history does not know: the mean rate over those it knows, and its
        standard error. Infinite where too few are known."""
        rates = [false / months for false, months in self.by_model if months > 0]
        if len(rates) < MIN_MODELS:
            return np.inf
        return float(np.mean(rates) + np.std(rates, ddof=1) / np.sqrt(len(rates)))


def settings_for(budget_per_month: float | None, month_s: float) -> ResidualSettings:
    """The budget as the time in which one false work order is acceptable."""
    return ResidualSettings(patience_s=month_s / budget_per_month) if budget_per_month else ResidualSettings()


def choose(fleet: Walkable, learned: Learned, spread: Spread, say: Say, worn: WearLessons | None = None) -> Learned:
    """Decide from history which detectors open orders, at which level, and whether beside failure models.

    Each asset is judged by what the others taught. Without enough known incidents all may, as shipped.
    """
    history = _few(of_history(fleet))
    incidents = sum(figures.judge(fleet, a.name, None, []).incidents for a in history)
    if incidents < MIN_INCIDENTS or fleet.settings.per_kind:
        return replace(learned, beside=not learned.taught.failures)
    budget = fleet.settings.budget_per_month
    models = learned.taught.failures
    told = float(np.mean([m.recall for m in models])) if models else 0.0
    known = frozenset(asset.model for asset in history)
    if told >= ENOUGH and known <= {name for model in models for name in model.family}:
        return replace(learned, beside=False, known=known, elsewhere=RESTRAINED)
    tried = _tried(fleet, history, _levels(learned), spread, _without(history, worn))
    best = _best(tried, budget)
    rate = float(sum(m.false_rate for m in models))
    beside = not models or (best.recall > told and affordable_rate(best, rate, budget))
    names = "all detectors" if best.openers is None else " and ".join(sorted(best.openers))
    say(
        f"{fleet.settings.name}: {names} at {best.settings.opens:g} sigma: recall {best.recall:.2f}, "
        f"{best.rate:.3f} false per asset-month on history" + ("" if beside else "; failure models do better")
    )
    elsewhere = best.openers
    if budget is not None and len(best.by_model) >= MIN_MODELS:
        there = [replace(learned, settings=best.settings)]
        elsewhere = _elsewhere(_tried(fleet, history, there, spread, _strange(history, worn)), budget)
    return replace(
        learned, settings=best.settings, openers=best.openers, beside=beside, known=known, elsewhere=elsewhere
    )


def _levels(learned: Learned) -> list[Learned]:
    """The levels of the residual model that are tried."""
    return [replace(learned, settings=replace(learned.settings, opens=each, clears=each * 0.6)) for each in LEVELS]


def _without(history: Sequence[Asset], worn: WearLessons | None) -> PassedOn:
    """What is passed on to each of these assets when nothing was learned from it."""
    if worn is None:
        return {}
    return {a.name: passed_on(worn.without[a.name]) for a in history if a.name in worn.without}


def _strange(history: Sequence[Asset], worn: WearLessons | None) -> PassedOn:
    """The same when nothing was learned from assets of its model."""
    by_model = {} if worn is None else {model: passed_on(each) for model, each in worn.elsewhere.items()}
    return {asset.name: by_model[asset.model] for asset in history if asset.model in by_model}


def passed_on(belief: WearBelief) -> Mapping[str, Mapping[str, State]]:
    """The belief as all asset models are told it."""
    return {"": {"wear": belief.to_plain()}}


def _elsewhere(tried: Sequence[Tried], budget: float) -> frozenset[str] | None:
    """Who may open orders on asset models without history: the best recall whose rate keeps the budget from model to
    model, each judged by what the others taught."""
    good = [each for each in tried if each.rate_elsewhere <= budget]
    return max(good, key=lambda each: (each.recall, -each.false)).openers if good else RESTRAINED


def affordable_rate(best: Tried, rate: float, budget: float | None) -> bool:
    """May these orders be opened beside those that already cost `rate`?"""
    return budget is None or best.rate + rate <= budget


def _few(history: Sequence[Asset]) -> list[Asset]:
    """At most MAX_ASSETS of them, from each asset model in turn."""
    by_model: dict[str, list[Asset]] = {}
    for asset in history:
        by_model.setdefault(asset.model, []).append(asset)
    ranked = [(rank, own.name, own) for group in by_model.values() for rank, own in enumerate(group)]
    return [own for _, _, own in sorted(ranked, key=lambda r: r[:2])[:MAX_ASSETS]]


def _tried(
    fleet: Walkable, history: Sequence[Asset], ways: Sequence[Learned], spread: Spread, told: PassedOn
) -> list[Tried]:
    """What each way of opening orders gives on history, the failure models aside; `told` is passed on by asset."""
    bare = [replace(way, taught=Taught()) for way in ways]
    own_ways = {
        a.name: [replace(each.only(a), passed_on=told.get(a.name, each.passed_on)) for each in bare] for a in history
    }
    walks = spread.map(_walks, [(fleet.blind(a.name), a, own_ways[a.name]) for a in history])
    tried = []
    for i, each in enumerate(bare):
        own = {asset.name: walk[i] for asset, walk in zip(history, walks, strict=True)}
        speakers = sorted({f.detector for walk in own.values() for f in walk.found if f.kind == "machine"} - {DETECTOR})
        choices: list[frozenset[str] | None] = [None, *(frozenset([s]) for s in speakers if len(speakers) > 1)]
        tried += [_try(fleet, history, own, replace(each, openers=choice)) for choice in choices]
    return tried


def _walks(fleet: Walkable, asset: Asset, ways: Sequence[Learned]) -> list[Walk]:
    return [walk_asset(fleet, asset, way) for way in ways]


def _try(fleet: Walkable, history: Sequence[Asset], walks: Mapping[str, Walk], learned: Learned) -> Tried:
    tallies = []
    for asset in history:
        opened, _ = orders_of(fleet, asset, walks[asset.name], learned)
        tallies.append(figures.judge(fleet, asset.name, None, [order.opened_at for order in opened]))
    by_model: dict[str, tuple[int, float]] = {}
    for asset, tally in zip(history, tallies, strict=True):
        false, months = by_model.get(asset.model, (0, 0.0))
        by_model[asset.model] = false + tally.false, months + tally.healthy_s / fleet.settings.month_s
    incidents = sum(t.incidents for t in tallies)
    months = sum(t.healthy_s for t in tallies) / fleet.settings.month_s
    recall = sum(len(t.leads) for t in tallies) / max(incidents, 1)
    false = sum(t.false for t in tallies)
    return Tried(learned.settings, learned.openers, recall, false, months, tuple(by_model.values()))


def _best(tried: Sequence[Tried], budget: float | None) -> Tried:
    """The best recall within the budget; of several the least false orders, then the most patient level.

    Where nothing keeps the budget: the fewest false orders, and only of detectors that have a budget of their own.
    """
    good = [each for each in tried if each.months > 0 and affordable(each.false, each.months, budget)]
    if good:
        return max(good, key=lambda each: (each.recall, -each.false, each.openers is None, each.settings.opens))
    least = min(tried, key=lambda each: (each.rate, -each.recall))
    return replace(least, openers=RESTRAINED)
