"""Which assets are learned about together: models whose assets tell the same things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml.features import Record, numeric

ALIKE = 0.5  # share of metrics in common that makes known models one family
STRICT = 0.9  # the same for an asset of a model that history does not know


@dataclass(frozen=True, slots=True)
class Family:
    """Records of history assets that share most of their metrics, and the names of their models."""

    models: tuple[str, ...]
    metrics: frozenset[str]
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        return self.models[0] if len(self.models) == 1 else "+".join(self.models)


def families(records: Sequence[Record]) -> list[Family]:
    """Group by model, then models whose metrics are alike; in order of name, the same for any order of records."""
    by_model: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: r.asset.name):
        by_model.setdefault(record.asset.model, []).append(record)
    groups: list[tuple[list[str], frozenset[str], list[Record]]] = []
    for model, own in sorted(by_model.items()):
        metrics = frozenset(m for r in own for m in numeric(r.frame))
        home = next((g for g in groups if alike(g[1], metrics) >= ALIKE), None)
        if home is None:
            groups.append(([model], metrics, list(own)))
        else:
            home[0].append(model)
            home[2].extend(own)
    return [Family(tuple(models), metrics, tuple(own)) for models, metrics, own in groups]


def alike(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of all their metrics that both have; 1 where neither has any."""
    return len(one & other) / len(one | other) if one or other else 1.0


def suits(models: Sequence[str], known: Sequence[str], model: str, metrics: Sequence[str]) -> bool:
    """May what was learned from `models` with the metrics `known` speak about this asset?"""
    share = alike(frozenset(known), frozenset(metrics))
    return share >= (ALIKE if model in models else STRICT)
