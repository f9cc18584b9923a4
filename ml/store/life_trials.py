"""Remaining-life models are compared at once, by how they did on assets that they had not seen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ml.store.tables import CHALLENGER, StoredModel
from ml.store.versions import Reason, get_model, promote, reject

HONEST = (0.85, 0.97)  # coverage of a band that promises 0.90
SLACK = 1.02  # errors on other histories differ by so much without meaning anything


def settle_life(session: Session, challenger: StoredModel, now: datetime) -> None:
    """Promote a challenger whose band is honest and whose error is not larger than the champion's, else reject it.

    These models open no work order, so there are no orders to compare in the shadow.
    """
    if challenger.state != CHALLENGER or challenger.parent_id is None:
        return
    old, new = _figures(get_model(session, challenger.parent_id)), _figures(challenger)
    params = {"rmse_s": new[0], "champion_rmse_s": old[0], "coverage": new[1], "champion_coverage": old[1]}
    if new[0] is None or new[1] is None:
        reject(session, challenger, Reason("estimates_nothing", params), now)
    elif not HONEST[0] <= new[1] <= HONEST[1] and _honesty(new[1]) > _honesty(old[1]):
        reject(session, challenger, Reason("band_not_honest", params), now)
    elif old[0] is not None and new[0] > SLACK * old[0] and _honesty(new[1]) >= _honesty(old[1]):
        reject(session, challenger, Reason("larger_error", params), now)
    else:
        promote(session, challenger, Reason("smaller_error", params), now)


def _figures(model: StoredModel) -> tuple[float | None, float | None]:
    figures: dict[str, Any] = model.card.get("figures", {})
    return figures.get("rmse_s"), figures.get("coverage")


def _honesty(coverage: float | None) -> float:
    """How far outside the honest range; less is better."""
    if coverage is None:
        return 1.0
    return max(HONEST[0] - coverage, coverage - HONEST[1], 0.0)
