from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from maintenance.decisions import (
    Contribution,
    FindingFacts,
    OpenJob,
    Policy,
    decide,
    grouping_key,
    open_moment,
)

T = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(on_delay_s=60, off_delay_s=300, cool_down_s=3600, min_confidence=0.5, late_s=7200)
FINDING = FindingFacts(
    asset="pump", detector="residual", layer="L2", signature="vibration_mm_s:high", kind="machine", first_at=T,
    last_at=T + timedelta(seconds=90), cleared_at=None, score=9.0, peak=9.0, confidence=0.8, limit_open=8.0,
    limit_clear=5.0, contributions=(Contribution("vibration_mm_s", 2.0, 5.0, 9.0, 1.0, "residual_high"),), regime="",
    model_id="residual-1", learning=False, severity="warning",
)  # fmt: skip
SENSOR = replace(FINDING, detector="data_quality", layer="L0", kind="sensor", signature="flow_m3_h:frozen")


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def job(**changes: object) -> OpenJob:
    base = OpenJob("e1", "machine", "machine", after(60), after(60), "open", "wo1", "unscheduled")
    return replace(base, **changes)  # type: ignore[arg-type]


CLOSED = job(state="closed", closed_at=after(1000))
TABLE: list[tuple[str, FindingFacts, list[OpenJob], float, bool, str, str]] = [
    ("a persistent finding opens", FINDING, [], 90, False, "open", "evidence_persists"),
    ("a young one waits", replace(FINDING, last_at=after(30)), [], 30, False, "wait", "on_delay"),
    ("a second finding attaches", replace(FINDING, signature="flow:low"), [job()], 90, False, "attach", "episode_open"),
    ("attaching needs no delay", replace(FINDING, last_at=after(1)), [job()], 1, False, "attach", "episode_open"),
    ("a sensor does not block the machine", FINDING, [job(key="sensor:x")], 90, False, "open", "evidence_persists"),
    ("a machine does not block a sensor", SENSOR, [job()], 90, False, "open", "evidence_persists"),
    ("the same sensor attaches", SENSOR, [job(key="sensor:flow_m3_h")], 90, False, "attach", "episode_open"),
    ("another sensor opens its own", SENSOR, [job(key="sensor:power")], 90, False, "open", "evidence_persists"),
    ("a learning model only watches", replace(FINDING, learning=True), [], 90, False, "watch", "learning"),
    ("limits need no past", replace(FINDING, learning=True, layer="L1"), [], 90, False, "open", "evidence_persists"),
    ("low confidence watches", replace(FINDING, confidence=0.2), [], 90, False, "watch", "low_confidence"),
    ("a paused asset is left alone", FINDING, [], 90, True, "suppress", "asset_paused"),
    ("evidence of last week is not news", FINDING, [], 90 + 7201, False, "watch", "late_data"),
    ("what was known at closing stays closed", FINDING, [CLOSED], 2000, False, "suppress", "known_at_closing"),
    (
        "a recurrence in the cool-down reopens",
        replace(FINDING, first_at=after(1500), last_at=after(1600)), [CLOSED], 1600, False,
        "reopen", "recurrence_in_cool_down",
    ),
    (
        "after the cool-down a new job opens",
        replace(FINDING, first_at=after(9000), last_at=after(9100)), [CLOSED], 9100, False,
        "open", "evidence_persists",
    ),
    (
        "evidence that ended clears after the off-delay",
        replace(FINDING, cleared_at=after(100)), [job()], 401, False, "clear", "evidence_ended",
    ),
    (
        "it may come back before",
        replace(FINDING, cleared_at=after(100)), [job()], 200, False, "wait", "off_delay",
    ),
    (
        "younger evidence of the same job keeps it",
        replace(FINDING, cleared_at=after(100)), [job(last_seen_at=after(390))], 401, False, "wait", "off_delay",
    ),
    (
        "another failure mode joins the open order",
        replace(FINDING, signature="flow:low"), [job(key="machine:wear")], 90, False, "join", "second_failure_mode",
    ),
    (
        "it waits for its own on-delay first",
        replace(FINDING, last_at=after(30)), [job(key="machine:wear")], 30, False, "wait", "on_delay",
    ),
    (
        "an order that is done takes nothing in",
        FINDING, [job(key="machine:wear", work_order_state="completed")], 90, False, "open", "evidence_persists",
    ),
    (
        "a sensor never joins a machine's order",
        SENSOR, [job(key="machine:wear")], 90, False, "open", "evidence_persists",
    ),
    (
        "late evidence of a closed job belongs to it",
        replace(FINDING, cleared_at=after(95)), [CLOSED], 2000, False, "amend", "belongs_to_closed",
    ),
    (
        "evidence from long before a job is not its own",
        replace(FINDING, cleared_at=after(95)), [job(opened_at=after(4000), last_seen_at=after(4000))], 4100, False,
        "watch", "ended",
    ),
    ("ended without a job: kept", replace(FINDING, cleared_at=after(95)), [], 500, False, "watch", "ended"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "finding", "jobs", "now", "paused", "action", "reason"), TABLE, ids=[r[0] for r in TABLE]
)
def test_decision(
    name: str, finding: FindingFacts, jobs: list[OpenJob], now: float, paused: bool, action: str, reason: str
) -> None:
    decision = decide(finding, POLICY, jobs, after(now), paused=paused)
    assert (decision.action, decision.reason) == (action, reason)
    assert decision.params["key"] == grouping_key(finding)


def test_one_fault_opens_one_job_however_it_flaps() -> None:
    jobs: list[OpenJob] = []
    opened = 0
    for cycle in range(50):
        begin = cycle * 200
        for age in (10, 70, 100):
            flap = replace(FINDING, first_at=after(begin), last_at=after(begin + age))
            decision = decide(flap, POLICY, jobs, after(begin + age))
            if decision.action == "open":
                opened += 1
                jobs.append(job(opened_at=after(begin + age), last_seen_at=after(begin + age)))
            elif decision.action == "attach":
                jobs = [replace(j, last_seen_at=after(begin + age)) for j in jobs]
        ended = replace(FINDING, first_at=after(begin), last_at=after(begin + 100), cleared_at=after(begin + 110))
        assert decide(ended, POLICY, jobs, after(begin + 120)).action == "wait"
    assert opened == 1


def test_attaching_names_the_episode() -> None:
    assert decide(FINDING, POLICY, [job(episode="e7")], after(90)).episode == "e7"


def test_the_same_question_has_the_same_answer() -> None:
    assert decide(FINDING, POLICY, [CLOSED], after(90)) == decide(FINDING, POLICY, [CLOSED], after(90))


def test_open_moment_is_the_end_of_the_on_delay() -> None:
    assert open_moment(FINDING, POLICY) == after(60)


def test_a_recurrence_joins_the_order_that_the_machine_has_open() -> None:
    again = replace(FINDING, first_at=after(1500), last_at=after(1600))
    decision = decide(again, POLICY, [CLOSED, job(episode="e2", key="machine:wear")], after(1600))
    assert (decision.action, decision.episode, decision.host) == ("reopen", "e1", "e2")


def test_without_joining_each_failure_mode_has_its_order() -> None:
    apart = replace(POLICY, join_open_order=False)
    assert decide(FINDING, apart, [job(key="machine:wear")], after(90)).action == "open"


def test_failure_modes_have_a_key_each_and_sensors_one_per_metric() -> None:
    assert grouping_key(FINDING, "wear") == "machine:wear"
    assert grouping_key(FINDING) == "machine"
    assert grouping_key(SENSOR, "wear") == "sensor:flow_m3_h"


def test_a_regime_may_be_no_alarm_by_design() -> None:
    starting = replace(FINDING, regime="start")
    by_design = replace(POLICY, suppress_regimes=("start",))
    told = decide(starting, by_design, [], after(90))
    assert (told.action, told.reason, told.params["regime"]) == ("suppress", "suppressed_by_regime", "start")
    assert decide(FINDING, by_design, [], after(90)).action == "open"
    assert decide(starting, by_design, [job()], after(90)).action == "attach", "what is open goes on being counted"
