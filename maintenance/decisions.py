"""Decide what a finding leads to: a pure function over the finding, the policy and the asset's open jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

OPEN = "open"
ATTACH = "attach"
WATCH = "watch"
WAIT = "wait"
SUPPRESS = "suppress"
CLEAR = "clear"
REOPEN = "reopen"
JOIN = "join"  # a second failure mode: an episode of its own on the work order that the asset has
AMEND = "amend"  # evidence of the past that belongs to an episode of then

OPENING = frozenset({OPEN, REOPEN, JOIN})  # what gives people new work

EPISODE_OPEN = "open"
# Work orders that a second failure mode may still join: nobody has said yet that the work is done.
JOINABLE = frozenset({"unscheduled", "scheduled", "in_progress", "on_hold", "cannot_complete"})
SELF_EVIDENT_LAYERS = frozenset({"L0", "L1"})  # limits and data quality need no learning


@dataclass(frozen=True, slots=True)
class Contribution:
    """One sensor's share in a finding, in words and numbers."""

    metric: str
    expected: float | None
    seen: float | None
    deviation: float  # signed, in standard deviations (L1: in units beyond the limit; 0 when not meaningful)
    share: float  # 0..1 of the whole evidence
    note: str = ""  # text code: above_limit, below_limit, frozen, gap, out_of_range, residual_high, residual_low


@dataclass(frozen=True, slots=True)
class FindingFacts:
    """What a detector noticed; mirrors a row of `findings`, its key is (asset, detector, signature, first_at)."""

    asset: str
    detector: str
    layer: str
    signature: str  # which sensors, which direction, which regime; stable while the finding lasts
    kind: str  # machine, sensor or connection
    first_at: datetime
    last_at: datetime
    cleared_at: datetime | None
    score: float
    peak: float
    confidence: float
    limit_open: float
    limit_clear: float
    contributions: tuple[Contribution, ...]
    regime: str
    model_id: str
    learning: bool
    severity: str  # critical, warning or info


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient to be before, during and after a job; seconds throughout."""

    id: str = "default"
    on_delay_s: float = 0.0
    off_delay_s: float = 60.0
    cool_down_s: float = 3600.0
    min_confidence: float = 0.5
    open_s: float | None = None  # an unanswered order is closed after this time; None: only people close it
    known_s: float = 86400.0  # evidence that a job was closed over counts as known for so long, then as news
    settle_s: float = 300.0  # evidence that begins so soon after a closing is the repaired machine finding its feet
    late_s: float = 86400.0  # evidence that ended longer ago is history, not news
    join_open_order: bool = True  # a second failure mode joins the open order of the asset; False: an order of its own
    parent_s: float = 3600.0  # an alarm of the whole explains those of its parts that begin so near to it; 0: never
    neighbour_s: float = 60.0  # the same alarm on parts of the same whole, so soon after the first, is one; 0: never
    suppress_regimes: tuple[str, ...] = ()  # operating modes in which evidence is by design no alarm


def policy_of_recording(name: str, open_s: float, on_delay_s: float) -> Policy:
    """Nobody answers orders on the past: they close after the recording's own time, so that later trouble opens anew.

    Evidence that was away for ten minutes has ended: there a planner closes the order.
    """
    return Policy(
        name, on_delay_s=on_delay_s, off_delay_s=600.0, cool_down_s=0.0, settle_s=0.0, min_confidence=0.0, open_s=open_s
    )


def expires(kind: str, policy: Policy) -> bool:
    """Do unanswered orders of this kind close by themselves? A broken sensor stays broken until somebody sees to it:
    its order stays, so that it is one order however long and however often the sensor shows it."""
    return policy.open_s is not None and kind != "sensor"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """An episode of the asset that is open, or closed recently enough to matter, with its work order."""

    episode: str
    key: str
    kind: str
    opened_at: datetime
    last_seen_at: datetime
    state: str  # open or closed
    work_order: str | None = None
    work_order_state: str | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, why (a code, rendered in the reader's language at the edges), and to which episode."""

    action: str
    reason: str
    params: dict[str, object] = field(default_factory=dict)
    episode: str | None = None
    host: str | None = None  # the episode whose open work order is joined


def grouping_key(finding: FindingFacts, mode: str = "") -> str:
    """Machine findings share one job per failure mode (one for all without), sensor findings one per metric."""
    if finding.kind == "sensor":
        return f"sensor:{finding.signature.partition(':')[0]}"
    return f"machine:{mode}" if finding.kind == "machine" and mode else finding.kind


def open_moment(finding: FindingFacts, policy: Policy) -> datetime:
    """The moment at which a finding that lasts becomes worth a work order."""
    return finding.first_at + timedelta(seconds=policy.on_delay_s)


def is_evidence(finding: FindingFacts, policy: Policy) -> bool:
    """Does it count? What a model says that still learns, or is hardly sure, only goes onto the watch list."""
    learned = not finding.learning or finding.layer in SELF_EVIDENT_LAYERS
    return learned and finding.confidence >= policy.min_confidence


def decide(
    finding: FindingFacts,
    policy: Policy,
    open_jobs: Sequence[OpenJob],
    now: datetime,
    *,
    paused: bool = False,
    key: str | None = None,
) -> Decision:
    """Return the action for one new or changed finding; `now` is the asset's own watermark for replayed data.

    `key` is the trouble that it belongs to, where the caller knows more of failure modes than the finding itself.
    """
    key = key or grouping_key(finding)
    params: dict[str, object] = {"key": key, "signature": finding.signature, "policy": policy.id}
    mine = sorted((j for j in open_jobs if j.key == key), key=lambda j: (j.opened_at, j.episode))
    current = next((j for j in reversed(mine) if j.state == EPISODE_OPEN), None)
    if finding.cleared_at is not None:
        return _after_clearing(finding, finding.cleared_at, policy, mine, now, params)
    if paused:
        return Decision(SUPPRESS, "asset_paused", params)
    if not is_evidence(finding, policy):
        learns = finding.learning and finding.layer not in SELF_EVIDENT_LAYERS
        return Decision(WATCH, "learning", params) if learns else _unsure(finding, params)
    if current is not None:
        return Decision(ATTACH, "episode_open", params, current.episode)
    if _regime(finding) in policy.suppress_regimes:
        return Decision(SUPPRESS, "suppressed_by_regime", params | {"regime": _regime(finding)})
    lasted_s = (finding.last_at - finding.first_at).total_seconds()
    if lasted_s < policy.on_delay_s:
        return Decision(WAIT, "on_delay", params | {"lasted_s": lasted_s, "needed_s": policy.on_delay_s})
    if (now - finding.last_at).total_seconds() > policy.late_s:
        return Decision(WATCH, "late_data", params)
    host = host_of(policy, key, open_jobs)
    if (told := _after_closing(finding, policy, mine, now, params)) is not None:
        return replace(told, host=host.episode) if host and told.action == REOPEN else told
    if host is not None:
        return Decision(JOIN, "second_failure_mode", params | {"joins": host.key}, host=host.episode)
    return Decision(OPEN, "evidence_persists", params)


def _unsure(finding: FindingFacts, params: dict[str, object]) -> Decision:
    return Decision(WATCH, "low_confidence", params | {"confidence": finding.confidence})


def _regime(finding: FindingFacts) -> str | None:
    return finding.regime or None


def _after_clearing(
    finding: FindingFacts,
    cleared_at: datetime,
    policy: Policy,
    mine: Sequence[OpenJob],
    now: datetime,
    params: dict[str, object],
) -> Decision:
    current = next((j for j in reversed(mine) if j.state == EPISODE_OPEN), None)
    if current is not None and not belongs(cleared_at, current.opened_at, policy):
        return Decision(WATCH, "ended", params)
    if current is None:
        then = next((j for j in reversed(mine) if _covers(j, finding)), None)
        if then is not None and is_evidence(finding, policy):
            return Decision(AMEND, "belongs_to_closed", params, then.episode)
        return Decision(WATCH, "ended", params)
    # Other evidence of the same job may be younger: the job's own last sight counts, not this finding's end alone.
    quiet_s = (now - max(cleared_at, current.last_seen_at)).total_seconds()
    if quiet_s < policy.off_delay_s:
        return Decision(WAIT, "off_delay", params | {"quiet_s": quiet_s}, current.episode)
    return Decision(CLEAR, "evidence_ended", params, current.episode)


def belongs(ended_at: datetime, opened_at: datetime, policy: Policy) -> bool:
    """Is evidence that ended before a job was opened part of its trouble? As a recurrence is: within the cool-down."""
    return ended_at >= opened_at - timedelta(seconds=policy.cool_down_s)


def _covers(job: OpenJob, finding: FindingFacts) -> bool:
    """Did the evidence begin while the job was there, or last into it?"""
    return job.closed_at is not None and finding.first_at <= job.closed_at and finding.last_at >= job.opened_at


def _after_closing(
    finding: FindingFacts, policy: Policy, mine: Sequence[OpenJob], now: datetime, params: dict[str, object]
) -> Decision | None:
    """What the last closing of the same trouble has to say; None: nothing."""
    closed = [j for j in mine if j.closed_at is not None]
    last = max(closed, key=lambda j: j.closed_at or j.opened_at, default=None)
    if last is None or last.closed_at is None:
        return None
    closed_s = (now - last.closed_at).total_seconds()
    if finding.first_at <= last.closed_at and closed_s < policy.known_s:
        # The person who closed the job saw this evidence already; that it still lasts is news only later.
        return Decision(SUPPRESS, "known_at_closing", params | {"closed_s": closed_s}, last.episode)
    if (finding.first_at - last.closed_at).total_seconds() < policy.settle_s and closed_s < 2 * policy.settle_s:
        return Decision(WAIT, "settling", params | {"settle_s": policy.settle_s, "closed_s": closed_s}, None)
    if closed_s < policy.cool_down_s:
        return Decision(REOPEN, "recurrence_in_cool_down", params, last.episode)
    return None


def host_of(policy: Policy, key: str, open_jobs: Sequence[OpenJob]) -> OpenJob | None:
    """The job whose order takes in another failure mode of the machine; a sensor or a link is another matter."""
    if not policy.join_open_order or not _is_machine(key):
        return None
    others = (j for j in open_jobs if j.key != key and _is_machine(j.key) and j.state == EPISODE_OPEN)
    return next((j for j in others if j.work_order_state in JOINABLE), None)


def _is_machine(key: str) -> bool:
    return key == "machine" or key.startswith("machine:")
