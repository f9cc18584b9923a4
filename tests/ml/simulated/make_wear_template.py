"""Learn `ml/detectors/wear_template.json` from simulated fleets (python -m tests.ml.simulated.make_wear_template)."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml import wear_training
from ml.boosting import fit_probability
from ml.detectors import wear_belief
from ml.detectors.wear_belief import WearBelief
from ml.recorded_fleet import read_fleet
from ml.training_set import TrainingSet
from ml.wear_training import Trace
from tests.ml.simulated.mixed import Plan, write_fleet

PLANS = (
    Plan(seed=100),
    Plan(seed=101, kinds_of_history=(0, 1, 2, 3, 5)),
    Plan(seed=102, kinds_of_history=(1, 3, 4, 6), days=270),
)
SHAPE: dict[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.06,
    "max_leaf_nodes": 6,
    "min_samples_leaf": 300,
    "l2_regularization": 20.0,
}
PEERS = 12.0  # assets for which a class of sensor counts in a fleet of its own
ODDS_LEVEL = 0.6  # log-odds that gave about 0.06 false orders per asset-month on kinds of machine not learned from
OUT = Path(wear_belief.__file__).with_name("wear_template.json")


def learn(traces: Sequence[Trace]) -> WearBelief:
    """The wander of each class of sensor and the trees, from nothing but these assets."""
    belief = wear_training.with_wander(traces, WearBelief())
    classes = {name: (total / n * min(n, PEERS), min(n, PEERS)) for name, (total, n) in belief.classes.items()}
    belief = replace(belief, sensors={}, classes=classes)
    rows = [wear_training.features_of(each, belief) for each in traces]
    x = np.vstack([own[each.counted] for own, each in zip(rows, traces, strict=True)])
    y = np.concatenate([each.before_failure[each.counted] for each in traces])
    return replace(belief, trees=fit_probability(x, y, **SHAPE), level=ODDS_LEVEL)


def rounded(value: object) -> object:
    """Four digits: the rest is noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return {name: rounded(each) for name, each in value.items()} if isinstance(value, dict) else value


def simulate(plan: Plan) -> list[Trace]:
    """The half-days of all the plan's assets, scored ones too: these fleets are for learning."""
    with tempfile.TemporaryDirectory() as folder:
        write_fleet(plan, Path(folder))
        fleet: TrainingSet = read_fleet(Path(folder))
        return [t for a in fleet.assets.values() if (t := wear_training.trace_of(fleet, a)) is not None]


def main() -> None:
    traces = []
    for plan in PLANS:
        traces += simulate(plan)
        print(f"seed {plan.seed}: {len(traces)} assets so far", file=sys.stderr, flush=True)
    OUT.write_text(json.dumps(rounded(learn(traces).to_plain())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
