"""Asset models, their metrics and their failure modes: three lists that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.errors import Invalid
from assets.failure_modes import FailureMode, add_failure_mode, check_matches
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin, RowKind
from assets.registry import AssetModel

ROLES = {
    "health": ("健康", "状态"),
    "control": ("控制", "工况"),
    "ambient": ("环境",),
    "mode": ("模式",),
}
LIMITS = ("low_low", "low", "high", "high_high", "rate_per_s", "expected_interval_s")
MAX_METRICS = 500
MODEL = Field("model", "Model code", "型号代码", "reference", required=True, most=120, also=("model", "型号"))


def own_model(session: Session, code: str, origin: Origin) -> AssetModel | None:
    """Return the importer's own model of that code; those of organisations above are theirs to change."""
    return session.scalar(
        select(AssetModel).where(AssetModel.code == code, AssetModel.organisation_id == origin.actor.organisation_id)
    )


def _model(session: Session, code: str, origin: Origin) -> AssetModel:
    model = own_model(session, code, origin)
    if model is None:
        raise Invalid(f"no asset model with code {code!r}", field="model")
    return model


class AssetModels(RowKind):
    """Types of assets by code."""

    name, en, zh = "asset_models", "Asset models", "设备型号"
    key = ("code",)
    fields = (
        Field("code", "Model code", "型号代码", required=True, most=120, also=("code", "model", "型号")),
        Field("name_en", "Name (English)", "英文名称", required=True, also=("name en", "english name")),
        Field("name_zh", "Name (Chinese)", "中文名称", required=True, also=("name zh", "chinese name")),
        Field("manufacturer", "Manufacturer", "制造商", also=("maker", "厂家", "品牌")),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a model."""
        there = own_model(session, values["code"], origin)
        if there is None:
            session.add(AssetModel(organisation_id=origin.actor.organisation_id, metrics={}, **values))
            return "insert"
        return change(there, values)

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield models by code."""
        for model in session.scalars(select(AssetModel).order_by(AssetModel.code, AssetModel.id)):
            yield model.code, model.name_en, model.name_zh, model.manufacturer


class Metrics(RowKind):
    """What assets of a model measure, with the manufacturer's limits."""

    name, en, zh = "metrics", "Metrics of asset models", "型号测点"
    key = ("model", "metric")
    fields = (
        MODEL,
        Field("metric", "Metric", "测点", required=True, most=128, also=("name", "测点名称")),
        Field("unit", "Unit (UCUM)", "单位", most=40, also=("unit",)),
        Field("label_en", "Label (English)", "英文标签", also=("label en",)),
        Field("label_zh", "Label (Chinese)", "中文标签", also=("label zh",)),
        Field("role", "Role", "作用", "choice", choices=ROLES),
        Field("low_low", "Low low limit", "下下限", "number"),
        Field("low", "Low limit", "下限", "number"),
        Field("high", "High limit", "上限", "number"),
        Field("high_high", "High high limit", "上上限", "number"),
        Field("rate_per_s", "Rate limit per second", "每秒变化限", "number", low=0),
        Field(
            "expected_interval_s",
            "Expected interval in seconds",
            "采样间隔（秒）",
            "number",
            low=0.001,
            also=("expected interval", "interval"),
        ),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a metric in its model."""
        model = _model(session, values["model"], origin)
        name = values["metric"]
        before: dict[str, Any] = dict(model.metrics.get(name, {}))
        told = {key: value for key, value in values.items() if value is not None and key not in ("model", "metric")}
        after = before | told
        limits = [after[each] for each in ("low_low", "low", "high", "high_high") if after.get(each) is not None]
        if limits != sorted(limits):
            raise Invalid("limits go up from low low to high high", field="high")
        if before == after and name in model.metrics:
            return "unchanged"
        if name not in model.metrics and len(model.metrics) >= MAX_METRICS:
            raise Invalid(f"at most {MAX_METRICS} metrics of one model", field="metric")
        after.setdefault("position", len(model.metrics))
        after.setdefault("role", "health")
        model.metrics = {**model.metrics, name: after}
        model.version += 1
        return "update" if before else "insert"

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield metrics by model and place."""
        names = [each.name for each in self.fields[2:]]
        for model in session.scalars(select(AssetModel).order_by(AssetModel.code, AssetModel.id)):
            for metric, about in sorted(
                model.metrics.items(), key=lambda each: (each[1].get("position", 999), each[0])
            ):
                yield model.code, metric, *(about.get(name) for name in names)


class FailureModes(RowKind):
    """Failure modes by model and code."""

    name, en, zh = "failure_modes", "Failure modes", "故障模式"
    key = ("model", "code")
    fields = (
        Field(
            "model",
            "Model code",
            "型号代码",
            "reference",
            most=120,
            also=("model", "型号"),
            hint_en="Empty: any model",
            hint_zh="留空：适用于所有型号",
        ),
        Field("code", "Failure mode", "故障模式代码", required=True, most=120, also=("code", "代码")),
        Field("name_en", "Name (English)", "英文名称", required=True, also=("name en",)),
        Field("name_zh", "Name (Chinese)", "中文名称", required=True, also=("name zh",)),
        Field("mechanism_en", "Mechanism (English)", "英文机理", most=500),
        Field("mechanism_zh", "Mechanism (Chinese)", "中文机理", most=500),
        Field(
            "metrics",
            "Shows in metrics",
            "相关测点",
            most=1000,
            also=("metrics",),
            hint_en="Separated by commas",
            hint_zh="以逗号分隔",
        ),
        Field("rank", "Rank", "优先级", "number", low=0, high=10_000),
    )

    def store(self, session: Session, values: Mapping[str, Any], origin: Origin) -> str:
        """Store a failure mode; the metrics that tell it replace those of before."""
        told = dict(values)
        code = told.pop("model")
        model = _model(session, code, origin) if code else None
        metrics = told.pop("metrics")
        if metrics is not None:
            words = [each.strip() for each in metrics.replace("，", ",").replace("、", ",").split(",") if each.strip()]
            told["matches"] = check_matches([{"metric": each} for each in words])
        told["rank"] = int(told["rank"]) if told["rank"] is not None else None
        there = session.scalar(
            select(FailureMode).where(
                FailureMode.organisation_id == origin.actor.organisation_id,
                FailureMode.asset_model_id.is_not_distinct_from(model.id if model else None),
                FailureMode.code == told["code"],
            )
        )
        if there is not None:
            return change(there, told)
        mode = FailureMode(
            organisation_id=origin.actor.organisation_id,
            asset_model_id=model.id if model else None,
            **{"matches": [], "rank": 100} | {key: value for key, value in told.items() if value is not None},
        )
        add_failure_mode(session, mode)
        return "insert"

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield failure modes by model and rank."""
        found = select(FailureMode, AssetModel.code).outerjoin(AssetModel, AssetModel.id == FailureMode.asset_model_id)
        for mode, code in session.execute(found.order_by(AssetModel.code, FailureMode.rank, FailureMode.code)):
            metrics = ", ".join(match["metric"] for match in mode.matches if "metric" in match)
            told = (mode.code, mode.name_en, mode.name_zh, mode.mechanism_en, mode.mechanism_zh)
            yield code, *told, metrics or None, mode.rank


def change(there: Any, values: Mapping[str, Any]) -> str:
    """Set what is told and differs; return update or unchanged."""
    changed = {key: value for key, value in values.items() if value is not None and getattr(there, key) != value}
    for key, value in changed.items():
        setattr(there, key, value)
    if changed and hasattr(there, "version"):
        there.version += 1
    return "update" if changed else "unchanged"
