"""Learn everything that a training set can teach: failure models and remaining life per family of assets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ml import features, few_failures, remaining_life, supervised
from ml.detectors.protocol import Floats
from ml.families import families
from ml.features import Record, record_of
from ml.remaining_life import LifeModel
from ml.spread import Spread
from ml.supervised import FailureModel, Lesson, Refused, failures, folds
from ml.training_set import Asset, Event, Incident, Settings, TrainingSet, history

MAX_KINDS = 32  # of failure in one family, the most frequent ones: each is a model of its own

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of a training set, and what did not, each with its reason."""

    failures: tuple[FailureModel, ...] = ()
    lives: tuple[LifeModel, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """A training set without its readings: all that is needed to judge orders on history."""

    settings: Settings
    assets: dict[str, Asset]
    incidents: tuple[Incident, ...]
    events: tuple[Event, ...] = ()

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], Any]:
        raise LookupError(f"the readings of {asset} are not here")


def train_all(training: TrainingSet, spread: Spread | None = None, say: Say | None = None) -> Taught:
    """Learn from the history assets in full, with their incidents; of other assets nothing is looked at."""
    spread, say = spread or Spread(), say or (lambda line: None)
    known = history(training)
    if not known:
        return Taught(refused=(Refused("all", "too_few_assets", {"assets": 0, "needed": supervised.MIN_ASSETS}),))
    names = {a.name for a in known}
    ledger = Ledger(
        training.settings, {a.name: a for a in known}, tuple(i for i in training.incidents if i.asset in names)
    )
    lessons = [lesson for lesson in _lessons(training, ledger, known, spread)]
    made, refused = _failure_models(ledger, lessons, spread)
    whole = [lesson for lesson in lessons if lesson.kind == ""] or _any_kind(ledger, lessons)
    lives, more = _life_models(whole, spread)
    taught = Taught(tuple(made), tuple(lives), (*refused, *more))
    _tell(taught, say)
    return taught


def _lessons(training: TrainingSet, ledger: Ledger, known: Sequence[Asset], spread: Spread) -> list[Lesson]:
    lessons: list[Lesson] = []
    events: dict[str, list[Event]] = defaultdict(list)
    for event in training.events:
        events[event.asset].append(event)
    for family in families([record_of(training, asset, events[asset.name]) for asset in known]):
        known_failures = sum(len(failures(ledger, record.asset.name, None)) for record in family.records)
        few = known_failures < remaining_life.MIN_HISTORIES
        fine_s = training.settings.min_lead_s / features.LEADS_PER_STEP if few else None
        words = features.vocabulary(family.records, training.settings.horizon_s, fine_s)
        if not words.metrics and not words.codes:
            continue
        seen = tuple(spread.map(features.moments_of, [(record, words) for record in family.records]))
        for kind in _kinds(ledger, family.records):
            failed = tuple(failures(ledger, record.asset.name, kind) for record in family.records)
            lessons.append(Lesson(family.models, kind, words, seen, failed))
    return lessons


def _kinds(ledger: Ledger, records: Sequence[Record]) -> list[str]:
    """Each kind of failure where work orders must name it, else all together."""
    if not ledger.settings.per_kind:
        return [""]
    names = {record.asset.name for record in records}
    counts: dict[str, int] = {}
    for incident in ledger.incidents:
        if incident.asset in names:
            counts[incident.kind] = counts.get(incident.kind, 0) + 1
    return sorted(sorted(counts, key=lambda kind: (-counts[kind], kind))[:MAX_KINDS])


def _any_kind(ledger: Ledger, lessons: Sequence[Lesson]) -> list[Lesson]:
    """One lesson per family about failures of any kind."""
    first = {lesson.family: lesson for lesson in reversed(lessons)}
    return [
        Lesson(each.family, "", each.words, each.seen, tuple(failures(ledger, s.asset, None) for s in each.seen))
        for each in first.values()
    ]


def _failure_models(
    ledger: Ledger, lessons: Sequence[Lesson], spread: Spread
) -> tuple[list[FailureModel], list[Refused]]:
    fit = [lesson for lesson in lessons if supervised.refuse(lesson) is None]
    held_out = _held_out(fit, supervised.fit_and_judge, spread)
    made = spread.map(supervised.finish, [(ledger, lesson, p) for lesson, p in zip(fit, held_out, strict=True)])
    for lesson in lessons:
        if (no := supervised.refuse(lesson)) is not None:
            few = no.code == "too_few_incidents" and few_failures.refuse(lesson) is None
            made.append(few_failures.learn(ledger, lesson) if few else no)
    return (
        [each for each in made if isinstance(each, FailureModel)],
        [each for each in made if isinstance(each, Refused)],
    )


def _life_models(lessons: Sequence[Lesson], spread: Spread) -> tuple[list[LifeModel], list[Refused]]:
    refused = [no for lesson in lessons if (no := remaining_life.refuse(lesson)) is not None]
    fit = [remaining_life.run_to_failure(lesson) for lesson in lessons if remaining_life.refuse(lesson) is None]
    held_out = _held_out(fit, remaining_life.fit_and_judge, spread)
    return spread.map(remaining_life.finish, list(zip(fit, held_out, strict=True))), refused


def _held_out(lessons: Sequence[Lesson], judge: Callable[..., list[Floats]], spread: Spread) -> list[dict[int, Floats]]:
    """For each lesson what models that did not see an asset say about it, by the asset's index."""
    parts = [(i, part) for i, lesson in enumerate(lessons) for part in folds(len(lesson.seen))]
    answers = spread.map(judge, [(lessons[i], part) for i, part in parts])
    told: list[dict[int, Floats]] = [{} for _ in lessons]
    for (i, part), answer in zip(parts, answers, strict=True):
        told[i] |= dict(zip(part, answer, strict=True))
    return told


def _tell(taught: Taught, say: Say) -> None:
    for model in taught.failures:
        say(
            f"{model.name}: recall {model.recall:.2f}, {model.false_rate:.3f} false per asset-month on held-out history"
        )
    for life in taught.lives:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in life.figures.items())
        say(f"{life.name}: {parts} on held-out history")
    for refused in taught.refused:
        params = ", ".join(f"{name} {value:g}" for name, value in refused.params.items())
        say(f"{refused.what}: not learned: {refused.code}" + (f" ({params})" if params else ""))
