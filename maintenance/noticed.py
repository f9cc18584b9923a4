"""Put a finding into words and numbers for the person who will go there: title, snapshot, suggested checks."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from assets.base.units import unit_label, unit_of_metric
from assets.registry import Asset, AssetModel
from maintenance.explaining import lines_of
from maintenance.models import Finding

MAX_CHECKS = 6
MAX_EVIDENCE = 20  # flaps kept on one order; the count goes on

TITLES = frozenset({"above_limit", "below_limit", "frozen", "gap", "out_of_range", "residual_high", "residual_low"})

# When the asset's model suggests nothing.
GENERAL_CHECKS: dict[str, tuple[dict[str, str], ...]] = {
    "machine": (
        {
            "en": "Look, listen and feel: noise, vibration, heat, leaks, smell.",
            "zh": "看、听、摸：是否有异响、振动、发热、泄漏或异味。",
        },
        {
            "en": "Compare the local gauge with the reading shown here.",
            "zh": "将现场仪表读数与此处显示的读数进行比对。",
        },
        {
            "en": "Ask the operator what changed: load, product, settings, recent work.",
            "zh": "询问操作人员有何变化：负载、物料、设定、近期检修。",
        },
    ),
    "sensor": (
        {"en": "Check the sensor's cable, plug and fixing.", "zh": "检查传感器的电缆、插头和固定情况。"},
        {"en": "Compare it with a second instrument.", "zh": "用另一台仪器进行比对。"},
        {"en": "Replace or calibrate the sensor if it differs.", "zh": "如有偏差，更换或校准传感器。"},
    ),
    "connection": (
        {"en": "Check power and network of the device.", "zh": "检查设备的电源和网络。"},
        {"en": "Run `forewarn-edge status` on the device.", "zh": "在设备上运行 `forewarn-edge status`。"},
    ),
}


def model_of(session: Session, asset: Asset) -> AssetModel | None:
    """Return the asset's model, None when it has none."""
    return session.get(AssetModel, asset.asset_model_id) if asset.asset_model_id else None


def snapshot(finding: Finding, model: AssetModel | None) -> dict[str, Any]:
    """Return what a work order keeps of a finding: what, since when, expected against seen, checks, model's id, why,
    and what it can be made from again."""
    contributions = [contribution_in_words(share, model) for share in finding.contributions]
    return {
        "finding_id": str(finding.id),
        "signature": finding.signature,
        "kind": finding.kind,
        "detector": finding.detector,
        "layer": finding.layer,
        "since": finding.first_at.isoformat(),
        "severity": finding.severity,
        "regime": finding.regime,
        "model_id": finding.model_id,
        "score": finding.score,
        "peak": finding.peak,
        "limit_open": finding.limit_open,
        "confidence": finding.confidence,
        "contributions": contributions,
        "checks": checks_for(finding, model),
        "explanation": lines_of(finding, contributions),
        "snapshot_ref": finding.snapshot_ref,
        "evidence_count": 1,
        "evidence": [evidence_line(finding)],
    }


def with_evidence(noticed: dict[str, Any] | None, finding: Finding, count: int) -> dict[str, Any]:
    """Return the snapshot with this finding's line added or brought up to date; the first and the newest stay."""
    noticed = dict(noticed or {})
    lines = [line for line in noticed.get("evidence", []) if line["finding_id"] != str(finding.id)]
    lines = sorted([*lines, evidence_line(finding)], key=lambda line: (line["first_at"], line["finding_id"]))
    if len(lines) > MAX_EVIDENCE:
        lines = [lines[0], *lines[-(MAX_EVIDENCE - 1) :]]
    return noticed | {"evidence": lines, "evidence_count": count}


def evidence_line(finding: Finding) -> dict[str, Any]:
    """Return one line of evidence."""
    return {
        "finding_id": str(finding.id),
        "signature": finding.signature,
        "first_at": finding.first_at.isoformat(),
        "cleared_at": finding.cleared_at.isoformat() if finding.cleared_at else None,
        "peak": finding.peak,
        "severity": finding.severity,
    }


def title(finding: Finding, model: AssetModel | None) -> tuple[str, dict[str, Any]]:
    """Return the title as code and parameters: what stands out most, rendered in the reader's language later."""
    top = finding.contributions[0] if finding.contributions else None
    code = top["note"] if top and top.get("note") in TITLES else finding.kind
    return f"noticed_{code}", contribution_in_words(top, model) if top else {}


def contribution_in_words(share: dict[str, Any], model: AssetModel | None) -> dict[str, Any]:
    """Return a contribution with the metric's unit and its labels in both languages."""
    metric = str(share["metric"])
    described = (model.metrics.get(metric) if model else None) or {}
    plain = metric.replace("_", " ")
    return {
        **share,
        "unit_label": unit_label(described.get("unit") or unit_of_metric(metric)),
        "label_en": described.get("label_en") or plain,
        "label_zh": described.get("label_zh") or described.get("label_en") or plain,
    }


def checks_for(finding: Finding, model: AssetModel | None) -> list[dict[str, str]]:
    """Return suggested checks: for this signature, then for its metrics, else the general ones of its kind."""
    known = model.checks if model else []
    metrics = {str(share["metric"]) for share in finding.contributions[:3]} | {finding.signature.partition(":")[0]}
    exact = [check for check in known if check.get("signature") == finding.signature]
    near = [
        check
        for check in known
        if check not in exact
        and str(check.get("signature", "")).partition(":")[0] in metrics
        # A check that names a direction helps only when the finding goes the same way.
        and _direction(check.get("signature", "")) in ("", _direction(finding.signature))
    ]
    chosen = [*exact, *near][:MAX_CHECKS] or GENERAL_CHECKS.get(finding.kind, GENERAL_CHECKS["machine"])
    return [{"en": str(check.get("en", "")), "zh": str(check.get("zh", ""))} for check in chosen]


def _direction(signature: str) -> str:
    return signature.partition(":")[2].partition(":")[0]
