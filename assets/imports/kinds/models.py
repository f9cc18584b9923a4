"""Asset models, their metrics and their failure modes: three lists that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from assets.base.bulk import among, insert_objects, update_rows
from assets.base.errors import Invalid, RuleError
from assets.failure_modes import MAX_MODES, FailureMode, add_failure_mode, check_matches
from assets.imports.fields import Field
from assets.imports.kinds.base import Origin
from assets.imports.kinds.bulk import BulkKind, Rows
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
        raise _no_model(code)
    return model


def _no_model(code: str) -> Invalid:
    return Invalid(f"no asset model with code {code!r}", field="model")


def own_models(session: Session, codes: set[str], origin: Origin, *, lock: bool = False) -> dict[str, AssetModel]:
    """Return the importer's own models by code; those that are not there are left out."""
    wanted = select(AssetModel).where(AssetModel.organisation_id == origin.actor.organisation_id)
    wanted = wanted.where(among(AssetModel.code, codes)).order_by(AssetModel.id)
    if lock:
        wanted = wanted.with_for_update()
    return {each.code: each for each in session.scalars(wanted, execution_options={"populate_existing": True})}


class AssetModels(BulkKind):
    """Types of assets by code."""

    name, en, zh = "asset_models", "Asset models", "设备型号"
    key = ("code",)
    candidates = (
        "SELECT n FROM (SELECT n, count(*) OVER (PARTITION BY f_code) AS same FROM import_rows) r WHERE same = 1"
    )
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

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Compare each model with what is there."""
        there = own_models(session, {values["code"] for _, values in rows}, origin)
        return {
            n: ("update" if changes(there[values["code"]], values) else "unchanged")
            if values["code"] in there
            else "insert"
            for n, values in rows
        }

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add new models, and change those that differ."""
        there = own_models(session, {values["code"] for _, values in rows}, origin, lock=True)
        new, changed = [], []
        for _, values in rows:
            model = there.get(values["code"])
            if model is None:
                new.append(AssetModel(organisation_id=origin.actor.organisation_id, metrics={}, **values))
            elif found := changes(model, values):
                kept = {name: getattr(model, name) for name in values} | found
                changed.append({"id": model.id, "version": model.version + 1, **kept})
        session.expunge_all()
        insert_objects(session, new)
        update_rows(session, "asset_models", changed)
        return ()

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield models by code."""
        for model in session.scalars(select(AssetModel).order_by(AssetModel.code, AssetModel.id)):
            yield model.code, model.name_en, model.name_zh, model.manufacturer


class Metrics(BulkKind):
    """What assets of a model measure, with the manufacturer's limits."""

    name, en, zh = "metrics", "Metrics of asset models", "型号测点"
    key = ("model", "metric")
    # Each metric in one row only: then only how many a model has depends on the rows above.
    candidates = """
    SELECT n FROM (SELECT n, count(*) OVER (PARTITION BY f_model, f_metric) AS same FROM import_rows) r WHERE same = 1
    """
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
        verdict, after = _metric(model.metrics, values)
        if verdict != "unchanged":
            model.metrics = {**model.metrics, values["metric"]: after}
            model.version += 1
        return verdict

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Follow the file downwards; `memory` holds the metrics of each model as they will be by then."""
        codes = {values["model"] for _, values in rows} - memory.keys()
        memory |= {code: dict(model.metrics) for code, model in own_models(session, codes, origin).items()}
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            metrics = memory.get(values["model"])
            if metrics is None:
                said[number] = _no_model(values["model"])
                continue
            try:
                said[number], metrics[values["metric"]] = _metric(metrics, values)
            except RuleError as wrong:
                said[number] = wrong
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Write each model once, with all its metrics."""
        there = own_models(session, {values["model"] for _, values in rows}, origin, lock=True)
        metrics = {code: dict(model.metrics) for code, model in there.items()}
        told = dict.fromkeys(there, 0)
        left = []
        for number, values in rows:
            code = values["model"]
            if code not in there:
                left.append((number, values))
                continue
            verdict, metrics[code][values["metric"]] = _metric(metrics[code], values)
            told[code] += verdict != "unchanged"
        changed = [
            {"id": model.id, "metrics": metrics[code], "version": model.version + told[code]}
            for code, model in there.items()
            if told[code]
        ]
        session.expunge_all()
        update_rows(session, "asset_models", changed)
        return left

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield metrics by model and place."""
        names = [each.name for each in self.fields[2:]]
        for model in session.scalars(select(AssetModel).order_by(AssetModel.code, AssetModel.id)):
            for metric, about in sorted(
                model.metrics.items(), key=lambda each: (each[1].get("position", 999), each[0])
            ):
                yield model.code, metric, *(about.get(name) for name in names)


def _metric(metrics: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return what a row does to the metrics of its model, and the metric as it will be. Raises Invalid."""
    name = values["metric"]
    before: dict[str, Any] = dict(metrics.get(name, {}))
    told = {key: value for key, value in values.items() if value is not None and key not in ("model", "metric")}
    after = before | told
    limits = [after[each] for each in ("low_low", "low", "high", "high_high") if after.get(each) is not None]
    if limits != sorted(limits):
        raise Invalid("limits go up from low low to high high", field="high")
    if before == after and name in metrics:
        return "unchanged", before
    if name not in metrics and len(metrics) >= MAX_METRICS:
        raise Invalid(f"at most {MAX_METRICS} metrics of one model", field="metric")
    after.setdefault("position", len(metrics))
    after.setdefault("role", "health")
    return "update" if before else "insert", after


class FailureModes(BulkKind):
    """Failure modes by model and code."""

    name, en, zh = "failure_modes", "Failure modes", "故障模式"
    key = ("model", "code")
    candidates = """
    SELECT n FROM (SELECT n, count(*) OVER (PARTITION BY f_model, f_code) AS same FROM import_rows) r WHERE same = 1
    """
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
        model = _model(session, values["model"], origin) if values["model"] else None
        told = _mode(values)
        there = session.scalar(
            select(FailureMode).where(
                FailureMode.organisation_id == origin.actor.organisation_id,
                FailureMode.asset_model_id.is_not_distinct_from(model.id if model else None),
                FailureMode.code == told["code"],
            )
        )
        if there is not None:
            return change(there, told)
        add_failure_mode(session, _made(told, model, origin))
        return "insert"

    def decide(
        self, session: Session, rows: Rows, origin: Origin, memory: dict[Any, Any]
    ) -> dict[int, str | RuleError]:
        """Compare with what is there; `memory` holds how many modes each model will have."""
        models = own_models(session, {values["model"] for _, values in rows if values["model"]}, origin)
        there = _modes(session, rows, models, origin)
        uncounted = {None, *(model.id for model in models.values())} - memory.keys()
        memory |= dict.fromkeys(uncounted, 0) | _many(session, uncounted, origin)
        said: dict[int, str | RuleError] = {}
        for number, values in rows:
            model = models.get(values["model"]) if values["model"] else None
            if values["model"] and model is None:
                said[number] = _no_model(values["model"])
                continue
            about = model.id if model else None
            try:
                told = _mode(values)
                mode = there.get((about, values["code"]))
                if mode is not None:
                    said[number] = "update" if changes(mode, told) else "unchanged"
                    continue
                if memory[about] >= MAX_MODES:
                    raise Invalid(f"at most {MAX_MODES} failure modes of one model", field="code", limit=MAX_MODES)
                memory[about] += 1
                said[number] = "insert"
            except RuleError as wrong:
                said[number] = wrong
        return said

    def store_many(self, session: Session, rows: Rows, origin: Origin) -> Rows:
        """Add new modes, and change those that differ."""
        codes = {values["model"] for _, values in rows if values["model"]}
        models = own_models(session, codes, origin, lock=True)
        there = _modes(session, rows, models, origin)
        left, new, changed = [], [], []
        for number, values in rows:
            model = models.get(values["model"]) if values["model"] else None
            if values["model"] and model is None:
                left.append((number, values))
                continue
            told = _mode(values)
            mode = there.get((model.id if model else None, values["code"]))
            if mode is None:
                new.append(_made(told, model, origin))
            elif found := changes(mode, told):
                changed.append({"id": mode.id} | {name: getattr(mode, name) for name in ("matches", *told)} | found)
        session.expunge_all()
        insert_objects(session, new)
        update_rows(session, "failure_modes", changed)
        return left

    def rows(self, session: Session) -> Iterator[Sequence[Any]]:
        """Yield failure modes by model and rank."""
        found = select(FailureMode, AssetModel.code).outerjoin(AssetModel, AssetModel.id == FailureMode.asset_model_id)
        for mode, code in session.execute(found.order_by(AssetModel.code, FailureMode.rank, FailureMode.code)):
            metrics = ", ".join(match["metric"] for match in mode.matches if "metric" in match)
            told = (mode.code, mode.name_en, mode.name_zh, mode.mechanism_en, mode.mechanism_zh)
            yield code, *told, metrics or None, mode.rank


def _mode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a row tells of a failure mode. Raises Invalid for too many metrics."""
    told = {name: value for name, value in values.items() if name not in ("model", "metrics")}
    if values["metrics"] is not None:
        said = values["metrics"].replace("，", ",").replace("、", ",").split(",")
        told["matches"] = check_matches([{"metric": each.strip()} for each in said if each.strip()])
    told["rank"] = int(told["rank"]) if told["rank"] is not None else None
    return told


def _made(told: Mapping[str, Any], model: AssetModel | None, origin: Origin) -> FailureMode:
    return FailureMode(
        organisation_id=origin.actor.organisation_id,
        asset_model_id=model.id if model else None,
        **{"matches": [], "rank": 100} | {key: value for key, value in told.items() if value is not None},
    )


def _modes(
    session: Session, rows: Rows, models: Mapping[str, AssetModel], origin: Origin
) -> dict[tuple[UUID | None, str], FailureMode]:
    wanted = select(FailureMode).where(FailureMode.organisation_id == origin.actor.organisation_id)
    wanted = wanted.where(among(FailureMode.code, {values["code"] for _, values in rows}))
    of_any = FailureMode.asset_model_id.is_(None)
    of_these = among(FailureMode.asset_model_id, [model.id for model in models.values()])
    return {(each.asset_model_id, each.code): each for each in session.scalars(wanted.where(or_(of_any, of_these)))}


def _many(session: Session, models: set[UUID | None], origin: Origin) -> dict[UUID | None, int]:
    """Return how many failure modes the importer has of each model."""
    many = select(FailureMode.asset_model_id, func.count()).group_by(FailureMode.asset_model_id)
    many = many.where(FailureMode.organisation_id == origin.actor.organisation_id)
    return {model: count for model, count in session.execute(many) if model in models}


def changes(there: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told and differs."""
    return {key: value for key, value in values.items() if value is not None and getattr(there, key) != value}


def change(there: Any, values: Mapping[str, Any]) -> str:
    """Set what is told and differs; return update or unchanged."""
    changed = changes(there, values)
    for key, value in changed.items():
        setattr(there, key, value)
    if changed and hasattr(there, "version"):
        there.version += 1
    return "update" if changed else "unchanged"
