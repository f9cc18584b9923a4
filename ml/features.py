"""What a supervised model may look at, at one moment of an asset's life: trends of its sensors, its log, its age."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from ml.detectors.protocol import Floats, State
from ml.training_set import Asset, Event, TrainingSet

SHORT_ROWS, LONG_ROWS = 5, 20
EARLY_ROWS = 20  # what "as it was when new" means
# The pace where there is no telemetry to set it: a day; so many moments in a horizon at least, an hour at least.
GRID_PER_HORIZON, GRID_S, GRID_LEAST_S = 6, 86400.0, 3600.0
MAX_GRID_MOMENTS = 250_000  # of one family's history, so that what is learned from fits into half a gigabyte
ROWS_PER_HORIZON = 100  # moments worth looking at: denser readings are averaged first
FINE_ROWS_PER_HORIZON = 400  # the same where the little that is learned hangs on minutes
LEADS_PER_STEP = 10  # how many fine steps make the least lead, at least
EARLY_SHARE = 0.2  # of the horizon: how long the vibration of a new asset is listened to before it is compared
LOG_WINDOWS = (0.5, 1.0, 2.5, 7.0)  # of the horizon
MAX_CODES = 30
MAX_METRICS = 64  # in one family of assets: six columns each
MAX_MOMENTS = 20_000  # of one asset: the youngest; 200 horizons
HOUR_S = 3600.0
LEVELS_OF_VIBRATION = re.compile(r"(^|_)(rms|mean_abs|velocity|mm_s)(_|$)")  # metrics that grow with damage, in ratios
GROWTH_ROWS = 4  # a median over so many rows: one shock is no growth


@dataclass(frozen=True, slots=True)
class Record:
    """One asset as far as it is known: readings `t` [n] with `frame` [n, m], and its log in order of time."""

    asset: Asset
    t: Floats
    frame: pd.DataFrame
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which columns exist and at which pace they are looked at: learned from history, the same for every asset.

    `step_s` is the time over which readings are averaged (0: every row counts as it is); `scale` is the usual
    spread of a new asset per metric, in the metric's unit; `grid_s` is the time from one look to the next where
    nothing is measured (0: a share of the horizon).
    """

    metrics: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]  # (event kind, code or component)
    components: tuple[str, ...]
    models: tuple[str, ...]
    horizon_s: float
    step_s: float = 0.0
    scale: tuple[float, ...] = ()
    grid_s: float = 0.0

    def state(self) -> State:
        own = asdict(self)
        if not self.grid_s:  # models of before it was kept are named by what they held
            del own["grid_s"]
        return own

    @classmethod
    def from_state(cls, state: State) -> Vocabulary:
        texts = {name: tuple(str(v) for v in state[name]) for name in ("metrics", "components", "models")}
        codes = tuple((str(kind), str(code)) for kind, code in state["codes"])
        scale = tuple(float(v) for v in state["scale"])
        horizon_s, step_s = float(state["horizon_s"]), float(state["step_s"])
        grid_s = float(state.get("grid_s", 0.0))
        return cls(codes=codes, horizon_s=horizon_s, step_s=step_s, scale=scale, grid_s=grid_s, **texts)


@dataclass(frozen=True, slots=True)
class Moments:
    """Features `x` [n, k] of one asset at times `t` [n]; row i uses nothing later than t[i].

    `deviation` [n, m] is each sensor against itself when new, in its usual spread (0 where it is missing).
    """

    asset: str
    t: Floats
    x: Floats
    deviation: Floats


def record_of(training: TrainingSet, asset: Asset, events: Sequence[Event] | None = None) -> Record:
    """What the training set holds of one asset; `events` are its own where they are known already."""
    t, _, frame = training.telemetry(asset.name)
    own = [e for e in training.events if e.asset == asset.name] if events is None else events
    return Record(asset, t, frame, own)


def vocabulary(records: Sequence[Record], horizon_s: float, fine_s: float | None = None) -> Vocabulary:
    """The columns that these assets give, and their pace; `fine_s` asks for steps as short as that, within reason."""
    metrics = list(dict.fromkeys(m for r in records for m in numeric(r.frame)))[:MAX_METRICS]
    codes: dict[tuple[str, str], int] = {}
    for event in (e for r in records for e in r.events):
        codes[_code(event)] = codes.get(_code(event), 0) + 1
    common = sorted(codes, key=lambda c: (-codes[c], c))[:MAX_CODES]
    components = sorted({e.component for r in records for e in r.events if e.component})
    models = tuple(sorted({r.asset.model for r in records}))
    words = Vocabulary(
        tuple(metrics), tuple(sorted(common)), tuple(components[:MAX_CODES]), models, horizon_s,
        step_s=_step(records, horizon_s, fine_s), grid_s=0.0 if metrics else _grid(records, horizon_s),
    )  # fmt: skip
    return replace(words, scale=_spread(records, words))


def _grid(records: Sequence[Record], horizon_s: float) -> float:
    """A day, or as long as the family's history asks for; never so long that a horizon is looked at too seldom."""
    known_s = sum(record.asset.spans[-1].end - record.asset.spans[0].start for record in records)
    return min(horizon_s / GRID_PER_HORIZON, max(GRID_S, known_s / MAX_GRID_MOMENTS))


def pace_s(words: Vocabulary) -> float:
    """The time from one moment to the next that a model looks at; 0 where every row is one."""
    if words.metrics:
        return words.step_s
    return max(words.grid_s or words.horizon_s / GRID_PER_HORIZON, GRID_LEAST_S)


def _step(records: Sequence[Record], horizon_s: float, fine_s: float | None) -> float:
    """The time to average over: none where assets are usually read hardly more often than that."""
    usual = [float(np.median(np.diff(r.t))) for r in records if len(r.t) > 1]
    step = horizon_s / ROWS_PER_HORIZON
    if fine_s is not None:
        step = min(step, max(fine_s, horizon_s / FINE_ROWS_PER_HORIZON))
    return 0.0 if not usual or float(np.median(usual)) > step / 2 else step


def _spread(records: Sequence[Record], words: Vocabulary) -> tuple[float, ...]:
    """Per metric the median over assets of its spread when new; 1 where there is none."""
    spreads = []
    for record in records:
        _, values = paced(record, words)
        if len(values) > 2:
            early = pd.DataFrame(values[:EARLY_ROWS])
            spreads.append(early.std().to_numpy(dtype=float))
    if not spreads:
        return (1.0,) * len(words.metrics)
    table = pd.DataFrame(np.vstack(spreads))
    usual = table.median().fillna(0.0).to_numpy(dtype=float)
    return tuple(float(v) if v > 1e-9 else 1.0 for v in usual)


def numeric(frame: pd.DataFrame) -> list[str]:
    return [str(m) for m in frame.columns if pd.api.types.is_numeric_dtype(frame[m])]


def paced(record: Record, words: Vocabulary) -> tuple[Floats, Floats]:
    """The metrics of the vocabulary at its pace: moments [n] and values [n, m].

    A mean stands at the time of the first row after its stretch: only then is the stretch known to be over.
    """
    values = np.full((len(record.t), len(words.metrics)), np.nan)
    have = set(numeric(record.frame))
    for j, metric in enumerate(words.metrics):
        if metric in have:
            values[:, j] = record.frame[metric].to_numpy(dtype=float)
    t = record.t
    if words.step_s and len(t):
        bins = np.floor((t - record.asset.spans[0].start) / words.step_s)
        first = np.concatenate([[0], np.flatnonzero(np.diff(bins) > 0) + 1])
        whole = pd.DataFrame(values).groupby(bins, sort=True).mean().to_numpy()
        t, values = t[first[1:]], whole[:-1]
    return t, values


def moments_of(record: Record, words: Vocabulary) -> Moments:
    """The asset's features at each paced row of its readings, or on a grid where nothing is measured."""
    parts: list[Floats] = []
    if words.metrics:
        t, values = paced(record, words)
        new = _new(values)
        parts.append(_trends(values, new))
        deviation = np.nan_to_num((values - new) / np.array(words.scale), nan=0.0, posinf=0.0, neginf=0.0)
    else:
        t = np.arange(record.asset.spans[0].start, record.asset.spans[-1].end + 1, pace_s(words))[-MAX_MOMENTS:]
        deviation = np.zeros((len(t), 0))
    if words.codes:
        parts.append(_log(record.events, t, words))
    if vibrations(words):
        parts.append(growth(record, words, t)[:, None])
    age = (t - record.asset.spans[0].start) / HOUR_S
    model = np.array([float(record.asset.model == name) for name in words.models])
    years = np.nan if record.asset.age_years is None else record.asset.age_years
    parts.append(np.column_stack([age, np.full(len(t), years), np.tile(model, (len(t), 1))]))
    x = np.hstack(parts)
    return Moments(record.asset.name, t[-MAX_MOMENTS:], x[-MAX_MOMENTS:], deviation[-MAX_MOMENTS:])


def columns(words: Vocabulary) -> list[tuple[str, str]]:
    """What each column of `x` is about and how: (metric, trend), (code or component, window) or ("", "age")."""
    trends = ("value", "short", "long", "change", "slope", "spread")
    told = [(metric, trend) for trend in trends for metric in words.metrics]
    for _, code in words.codes:
        told += [(code, f"count:{share:g}") for share in LOG_WINDOWS] + [(code, "since")]
    if words.codes:
        told += [(component, "worked") for component in words.components]
    if vibrations(words):
        told.append(("", "growth"))
    return [*told, ("", "age"), ("", "years"), *(("", f"model:{model}") for model in words.models)]


def vibrations(words: Vocabulary) -> list[str]:
    """The metrics that are a level of vibration."""
    return [metric for metric in words.metrics if LEVELS_OF_VIBRATION.search(metric)]


def growth(record: Record, words: Vocabulary, t: Floats) -> Floats:
    """How many times its level when new the vibration is (the worst sensor), as a logarithm, by rows up to each t."""
    own = [metric for metric in vibrations(words) if metric in record.frame.columns]
    told = np.full(len(t), np.nan)
    if not own or not len(record.t) or not len(t):
        return told
    levels = record.frame[own].where(record.frame[own] > 0)
    until = record.asset.spans[0].start + EARLY_SHARE * words.horizon_s
    early = int(np.searchsorted(record.t, until))
    ratio = levels.rolling(GROWTH_ROWS, min_periods=1).median() / levels.iloc[: max(early, GROWTH_ROWS)].median()
    with np.errstate(invalid="ignore"):
        worst = np.log(ratio.max(axis=1).to_numpy(dtype=float))
    worst[: max(early, GROWTH_ROWS)] = np.nan  # what is new cannot have grown
    rows = np.searchsorted(record.t, t, side="right") - 1
    told[rows >= 0] = worst[rows[rows >= 0]]
    return told


def _code(event: Event) -> tuple[str, str]:
    return (event.kind, event.code if event.kind != "maintenance" else event.component or event.code)


def _new(values: Floats) -> Floats:
    """What each sensor was when new, as far as it was known at each row."""
    frame = pd.DataFrame(values)
    return np.asarray(frame.iloc[:EARLY_ROWS].expanding().mean().reindex(range(len(frame))).ffill().to_numpy())


def _trends(values: Floats, new: Floats) -> Floats:
    """Per sensor: latest, short and long mean, their change since new, slope and spread over the long window."""
    frame = pd.DataFrame(values)
    short = frame.rolling(SHORT_ROWS, min_periods=1).mean().to_numpy()
    long = frame.rolling(LONG_ROWS, min_periods=1).mean().to_numpy()
    spread = frame.rolling(LONG_ROWS, min_periods=2).std().to_numpy()
    slope = short - frame.shift(LONG_ROWS).rolling(SHORT_ROWS, min_periods=1).mean().to_numpy()
    return np.hstack([values, short, long, short - new, slope, spread])


def _log(events: Sequence[Event], t: Floats, words: Vocabulary) -> Floats:
    """Counts per code over several windows up to t, and hours since each component was last worked on."""
    columns: list[Floats] = []
    for code in words.codes:
        times = np.array([e.t for e in events if _code(e) == code])
        until = np.searchsorted(times, t, side="right")
        for share in LOG_WINDOWS:
            columns.append((until - np.searchsorted(times, t - share * words.horizon_s, side="right")).astype(float))
        columns.append(_since(times, t))
    for component in words.components:
        times = np.array([e.t for e in events if e.component == component and e.kind == "maintenance"])
        columns.append(_since(times, t))
    return np.column_stack(columns)


def _since(times: Floats, t: Floats) -> Floats:
    """Hours since the last of `times` up to each t, NaN before the first."""
    index = np.searchsorted(times, t, side="right") - 1
    if len(times) == 0:
        return np.full(len(t), np.nan)
    return np.asarray(np.where(index >= 0, (t - times[np.maximum(index, 0)]) / HOUR_S, np.nan))
