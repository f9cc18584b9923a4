"""An edge node's session without broker or database: births, deaths, order, rebirths, and that nothing disappears."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats.decoded import Reason
from ingest.sparkplug.names import Verb, read_topic
from ingest.sparkplug.outcomes import (
    Arrival,
    AskRebirth,
    Budget,
    DeviceBorn,
    DeviceDied,
    NodeBorn,
    NodeDied,
    Outcome,
    SetAside,
    Store,
    arrival_of,
)
from ingest.sparkplug.payload import DataType
from ingest.sparkplug.readings import Names, Reader
from ingest.sparkplug.session import MAX_EARLY, MAX_WAITING, Session
from tests.ingest.sparkplug_assertions import holds
from tests.ingest.sparkplug_node import T0, M, message, nbirth, ndeath, payload

REORDER_S, WAIT_S = 2.0, 60.0


def arrival(verb: str, body: bytes, device: str = "", at: float = 0.0) -> Arrival:
    received = message(verb, body, device, at=at)
    return arrival_of(read_topic(received.topic), received)


class Driven:
    """A session with everything that came out of it."""

    def __init__(self, *, last_bd_seq: int | None = None, budget: int = 10**7, memory: int = 10**6) -> None:
        self.budget, self.memory = Budget(budget), Budget(memory)
        self.session = Session(
            self.budget, self.memory, last_bd_seq, reorder_s=REORDER_S, wait_s=WAIT_S, random=lambda: 1.0
        )
        self.out: list[Outcome] = []
        self.at = 0.0

    def receive(self, verb: str, body: bytes, device: str = "", wait: float = 0.01) -> list[Outcome]:
        self.at += wait
        found = self.session.receive(arrival(verb, body, device, self.at))
        self.out += found
        return found

    def pass_time(self, seconds: float) -> list[Outcome]:
        found: list[Outcome] = []
        end = self.at + seconds
        while self.at < end:
            self.at = min(self.at + 0.5, end)
            found += self.session.tick(T0 / 1000 + self.at)
        self.out += found
        return found

    def rows(self) -> set[tuple[str, int, str, Any]]:
        """Everything stored, as (channel, time, metric, value)."""
        names: dict[str, Names] = {}
        found = set()
        for outcome in self.out:
            if isinstance(outcome, Store):
                channel = outcome.arrival.topic.device
                decoded = Reader(outcome, names.setdefault(channel, Names())).read()
                for sample in decoded.samples:
                    found |= {(channel, sample.t_us // 1000 - T0, name, value) for name, value in sample.values.items()}
        return found

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.out if isinstance(each, kind)]


def data(seq: int, *metrics: M, t: int) -> bytes:
    return payload(metrics, seq=seq, t=T0 + t)


def born(driven: Driven, *, bd: int = 0, t: int = 0, devices: tuple[str, ...] = ("D",), first: int = 1) -> None:
    """A node with metric `a` and devices with metric `x`, aliases counted from `first`."""
    driven.receive("NBIRTH", nbirth([M("a", 0.0, alias=first, datatype=DataType.DOUBLE)], bd=bd, t=T0 + t))
    for number, device in enumerate(devices, 1):
        metric = M("x", 0.0, alias=first + number, datatype=DataType.DOUBLE)
        driven.receive("DBIRTH", payload([metric], seq=number, t=T0 + t), device)


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(each) for each in outcomes]


# ---- births -------------------------------------------------------------------------------------------------------


def test_births_bring_the_node_and_its_devices_and_their_values_and_aliases() -> None:
    driven = Driven()
    born(driven, bd=7)
    assert kinds(driven.out) == [NodeBorn, Store, DeviceBorn, Store]
    driven.receive("NDATA", data(2, M(None, 1.5, alias=1), t=100))
    driven.receive("DDATA", data(3, M(None, 2.5, alias=2), t=110), "D")
    assert driven.rows() == {("", 0, "a", 0.0), ("D", 0, "x", 0.0), ("", 100, "a", 1.5), ("D", 110, "x", 2.5)}
    assert driven.session.last_bd_seq == 7
    assert not driven.session.needs_tick or driven.pass_time(120) == []


@holds("payloads-nbirth-seq", "payloads-sequence-num-req-nbirth")
@pytest.mark.parametrize("seq", [0, 17, 255])
def test_any_number_begins_the_sequence(seq: int, assertion: str) -> None:
    driven = Driven()
    driven.receive("NBIRTH", nbirth([M("a", 0.0, alias=1)], seq=seq))
    driven.receive("NDATA", data((seq + 1) % 256, M(None, 1.0, alias=1), t=10))
    assert ("", 10, "a", 1.0) in driven.rows()
    assert driven.pass_time(10) == []


@holds("payloads-sequence-num-incrementing")
def test_the_sequence_goes_on_with_0_after_255(assertion: str) -> None:
    driven = Driven()
    born(driven)
    for number in range(600):
        driven.receive("NDATA", data((2 + number) % 256, M(None, float(number), alias=1), t=10 + number))
    assert len(driven.rows()) == 602
    assert driven.of(AskRebirth) == []
    assert not driven.session.needs_tick


def test_a_repeated_birth_means_new_aliases_and_the_devices_must_be_born_again() -> None:
    driven = Driven()
    born(driven)
    born(driven, t=1000, devices=(), first=50)
    driven.receive("NDATA", data(1, M(None, 9.0, alias=50), t=1100))
    assert ("", 1100, "a", 9.0) in driven.rows()
    died = [each for each in driven.pass_time(31) if isinstance(each, DeviceDied)]
    assert [(each.device, each.at_ms) for each in died] == [("D", None)]


def test_a_birth_delivered_twice_is_one_birth() -> None:
    driven = Driven()
    born(driven)
    driven.receive("NDATA", data(2, M(None, 1.0, alias=1), t=5))
    again = driven.receive("NBIRTH", nbirth([M("a", 0.0, alias=1, datatype=DataType.DOUBLE)], t=T0))
    assert kinds(again) == [Store]
    driven.receive("NDATA", data(3, M(None, 2.0, alias=1), t=6))
    assert driven.pass_time(10) == []


def test_a_birth_overtaken_by_that_of_a_later_connection_changes_nothing() -> None:
    driven = Driven()
    born(driven, bd=5, t=1000)
    late = driven.receive("NBIRTH", nbirth([M("a", 3.0, alias=77)], bd=4, t=T0 + 500))
    assert kinds(late) == [Store]
    driven.receive("NDATA", data(2, M(None, 1.0, alias=1), t=1100))
    assert {("", 500, "a", 3.0), ("", 1100, "a", 1.0)} <= driven.rows()


def test_a_birth_after_the_nodes_clock_was_set_back_is_a_birth() -> None:
    driven = Driven()
    born(driven, bd=5, t=100_000)
    born(driven, bd=6, t=0, first=10)
    driven.receive("NDATA", data(2, M(None, 1.0, alias=10), t=50))
    assert ("", 50, "a", 1.0) in driven.rows()


# ---- deaths -------------------------------------------------------------------------------------------------------


@holds("operational-behavior-edge-node-termination-host-action-ndeath-node-offline")
def test_a_node_is_dead_after_its_death_and_asked_for_nothing(assertion: str) -> None:
    driven = Driven()
    born(driven, bd=3)
    assert driven.receive("NDEATH", ndeath(3)) == [NodeDied(3)]
    assert not driven.session.is_alive
    assert [each for each in driven.pass_time(300) if isinstance(each, AskRebirth)] == []  # nobody would answer


@holds("payloads-ndeath-bdseq")
@pytest.mark.parametrize("dead", [2, 0, 255])
def test_a_death_of_an_earlier_connection_is_ignored(dead: int, assertion: str) -> None:
    driven = Driven()
    born(driven, bd=3)
    assert driven.receive("NDEATH", ndeath(dead)) == []
    driven.receive("NDATA", data(2, M(None, 1.0, alias=1), t=5))
    assert ("", 5, "a", 1.0) in driven.rows()


@pytest.mark.parametrize(("last", "dead", "counts"), [(3, 3, True), (3, 4, True), (3, 2, False), (255, 0, True)])
def test_a_death_after_our_restart_counts_unless_it_is_older_than_the_last_birth(
    last: int, dead: int, counts: bool
) -> None:
    driven = Driven(last_bd_seq=last)
    assert driven.receive("NDEATH", ndeath(dead)) == ([NodeDied(dead)] if counts else [])


@holds("operational-behavior-edge-node-termination-host-action-ddeath-devices-offline")
def test_a_device_is_offline_from_the_time_of_its_death(
    assertion: str,
) -> None:
    driven = Driven()
    born(driven)
    assert driven.receive("DDEATH", data(2, t=77), "D") == [DeviceDied("D", T0 + 77)]
    waited = driven.receive("DDATA", data(3, M(None, 1.0, alias=2), t=80), "D")
    assert waited == []  # held until the device is born again
    driven.receive("DBIRTH", payload([M("x", 5.0, alias=9)], seq=4, t=T0 + 90), "D")
    assert ("D", 90, "x", 5.0) in driven.rows()


# ---- order --------------------------------------------------------------------------------------------------------


@holds("operational-behavior-host-reordering-start", "operational-behavior-host-reordering-success")
def test_missing_messages_that_come_in_time_need_no_rebirth(
    assertion: str,
) -> None:
    driven = Driven()
    born(driven)
    for seq in (4, 3, 2):
        driven.receive("NDATA", data(seq, M(None, float(seq), alias=1), t=seq))
    assert {("", 2, "a", 2.0), ("", 3, "a", 3.0), ("", 4, "a", 4.0)} <= driven.rows()
    assert driven.pass_time(60) == []


@holds("operational-behavior-host-reordering-param", "operational-behavior-host-reordering-rebirth")
def test_births_are_asked_for_after_the_time_out_and_not_before(assertion: str) -> None:
    driven = Driven()
    born(driven)
    driven.receive("NDATA", data(3, M(None, 3.0, alias=1), t=3))
    assert driven.pass_time(REORDER_S - 0.5) == []
    assert driven.pass_time(1.0) == [AskRebirth("sequence gap")]
    assert ("", 3, "a", 3.0) not in driven.rows()  # the missing message may have been a birth
    born(driven, t=5000)
    assert ("", 3, "a", 3.0) in driven.rows()
    assert driven.session.gaps == 1


def test_readings_held_over_a_lost_birth_are_stored_only_where_both_births_agree() -> None:
    driven = Driven()
    metrics = [M("a", 0.0, alias=1), M("b", 0.0, alias=2)]
    driven.receive("NBIRTH", nbirth(metrics))
    # The node is born again with other numbers; that birth is lost. What follows comes under the new numbers.
    driven.receive("NDATA", data(9, M(None, 7.0, alias=1), M("c", 8.0), t=100))
    driven.pass_time(REORDER_S + 1)
    driven.receive("NBIRTH", nbirth([M("b", 0.0, alias=1), M("a", 0.0, alias=2)], t=T0 + 5000))
    assert ("", 100, "c", 8.0) in driven.rows()  # sent by name
    assert not {row for row in driven.rows() if row[1] == 100 and row[2] in "ab"}
    (store,) = [each for each in driven.of(Store) if each.arrival.seq == 9]
    (problem,) = Reader(store, Names()).read().problems
    assert (problem.reason, "disagree" in problem.detail) == (Reason.UNKNOWN_ALIAS, True)


def test_a_message_delivered_twice_neither_breaks_the_order_nor_lets_a_device_die_twice() -> None:
    driven = Driven()
    born(driven)
    for _ in range(2):
        driven.receive("NDATA", data(2, M(None, 2.0, alias=1), t=2))
    driven.receive("DDEATH", data(3, t=3), "D")
    assert driven.receive("DDEATH", data(3, t=3), "D") == []
    driven.receive("NDATA", data(4, M(None, 4.0, alias=1), t=4))
    assert driven.pass_time(60) == []
    assert len(driven.of(DeviceDied)) == 1


def test_a_birth_that_its_own_data_overtook_explains_them() -> None:
    driven = Driven()
    born(driven, bd=1)
    driven.receive("NDATA", data(1, M(None, 1.0, alias=31), t=1010))
    driven.receive("NBIRTH", nbirth([M("a", 0.5, alias=31)], bd=2, t=T0 + 1000))
    driven.receive("NDATA", data(2, M(None, 2.0, alias=31), t=1020))
    assert {("", 1000, "a", 0.5), ("", 1010, "a", 1.0), ("", 1020, "a", 2.0)} <= driven.rows()
    driven.pass_time(20)
    assert driven.of(AskRebirth) == []


# ---- rebirth ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["data before birth", "data before the device's birth", "unknown alias"])
def test_what_no_birth_explains_is_held_asked_for_and_stored_after_the_birth(case: str) -> None:
    driven = Driven()
    if case == "data before birth":
        driven.receive("NDATA", data(8, M(None, 1.0, alias=1), t=10))
    elif case == "unknown alias":
        born(driven)
        driven.receive("NDATA", data(2, M(None, 1.0, alias=4), M(None, 2.0, alias=1), t=10))
    else:
        born(driven, devices=())
        driven.receive("DDATA", data(1, M(None, 1.0, alias=2), t=10), "D")
    before = driven.rows()
    assert not {row for row in before if row[1] == 10}
    assert driven.pass_time(1) == [AskRebirth(case)]
    metrics = [M("a", 0.0, alias=1, datatype=DataType.DOUBLE), M("new", 0.0, alias=4, datatype=DataType.DOUBLE)]
    driven.receive("NBIRTH", nbirth(metrics, t=T0 + 100))
    driven.receive("DBIRTH", payload([M("x", 0.0, alias=2)], seq=1, t=T0 + 100), "D")
    found = {row for row in driven.rows() if row[1] == 10}
    assert (
        found
        == {
            "data before birth": {("", 10, "a", 1.0)},
            "unknown alias": {("", 10, "new", 1.0), ("", 10, "a", 2.0)},
            "data before the device's birth": {("D", 10, "x", 1.0)},
        }[case]
    )
    assert driven.of(SetAside) == []


def test_a_metric_by_name_that_no_birth_defines_is_stored_and_asked_for_once() -> None:
    driven = Driven()
    born(driven)
    for number in range(3):
        driven.receive("NDATA", data(2 + number, M("new", 1.0 + number), t=10 + number))
    assert {("", 10, "new", 1.0), ("", 12, "new", 3.0)} <= driven.rows()
    assert len([each for each in driven.pass_time(5) if isinstance(each, AskRebirth)]) == 1
    born(driven, t=1000)
    driven.receive("NDATA", data(2, M("new", 9.0), t=1010))
    assert [each for each in driven.pass_time(100) if isinstance(each, AskRebirth)] == []


def test_rebirths_are_asked_for_ever_more_rarely_and_in_the_end_only_of_a_node_that_sends() -> None:
    driven = Driven()
    driven.receive("NDATA", data(8, M(None, 1.0, alias=1), t=10))
    times = []
    for _ in range(4000):
        times += [driven.at for each in driven.pass_time(0.5) if isinstance(each, AskRebirth)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[:4] == sorted(pauses[:4])
    assert (len(times), min(pauses) >= 5, max(pauses) <= 61) == (8, True, True)
    assert driven.session.rebirths == 8
    driven.receive("NDATA", data(9, M(None, 1.0, alias=1), t=20))
    assert [each for each in driven.pass_time(5) if isinstance(each, AskRebirth)] != []


def test_what_waits_too_long_is_set_aside_and_a_device_birth_is_read_by_itself() -> None:
    driven = Driven()
    driven.receive("NDATA", data(8, M(None, 1.0, alias=1), t=10))
    driven.receive("DBIRTH", payload([M("x", 4.0, alias=2)], seq=9, t=T0 + 11), "D")
    driven.pass_time(WAIT_S + 1)
    assert [(each.arrival.seq, "no birth" in each.detail) for each in driven.of(SetAside)] == [(8, True)]
    assert driven.rows() == {("D", 11, "x", 4.0)}


def test_of_a_message_with_an_alias_that_never_gets_defined_all_else_is_stored() -> None:
    driven = Driven()
    born(driven)
    driven.receive("NDATA", data(2, M(None, 1.0, alias=99), M(None, 2.0, alias=1), t=10))
    driven.pass_time(WAIT_S + 1)
    assert ("", 10, "a", 2.0) in driven.rows()
    assert driven.of(SetAside) == []


def test_after_our_own_absence_readings_wait_for_the_birth_that_is_asked_for() -> None:
    driven = Driven()
    born(driven, bd=1)
    driven.out += driven.session.forget(T0 / 1000 + driven.at, 2.0)
    driven.receive("NDATA", data(40, M(None, 4.0, alias=1), t=5000))
    assert driven.pass_time(1.5) == []  # nodes that watch our STATE are born by themselves
    assert driven.pass_time(1.5) == [AskRebirth("host came back")]
    born(driven, bd=1, t=9000)
    assert ("", 5000, "a", 4.0) in driven.rows()


# ---- bounds -------------------------------------------------------------------------------------------------------


def test_what_a_node_makes_us_hold_is_bounded_and_the_rest_is_set_aside() -> None:
    driven = Driven()
    for number in range(MAX_WAITING + 50):
        driven.receive("NDATA", data(number % 256, M(None, 1.0, alias=1), t=number))
    assert len(driven.of(SetAside)) == 50
    crowded = Driven(budget=2000)
    for number in range(10):
        crowded.receive("NDATA", data(number, M(None, 1.0, alias=1), t=number))
    assert 5 <= len(crowded.of(SetAside)) < 10
    early = Driven()
    born(early)
    for number in range(MAX_EARLY + 10):
        early.receive("NDATA", data((4 + number) % 256, M(None, float(number), alias=1), t=number))
    assert early.session.gaps == 1


def test_room_is_given_back_whatever_became_of_a_message() -> None:
    driven = Driven(budget=100_000, memory=100)
    for round_ in range(30):
        born(driven, bd=round_ % 256, t=round_ * 10_000)
        driven.receive("NDATA", data(7, M(None, 1.0, alias=1), t=round_ * 10_000 + 5))
        driven.receive("DDATA", data(8, M(None, 1.0, alias=99), t=round_ * 10_000 + 6), "D")
        driven.pass_time(3)
    driven.receive("NDEATH", ndeath(29))
    driven.pass_time(WAIT_S + 1)
    assert driven.budget.take(100_000)
    assert driven.memory.take(90)


def test_a_node_with_more_metrics_than_there_is_memory_is_read_by_name_alone() -> None:
    driven = Driven(memory=1)
    driven.receive("NBIRTH", nbirth([M("a", 1.0, alias=1), M("b", 1.0, alias=2)]))
    driven.receive("NDATA", data(1, M("a", 5.0, alias=1), t=10))
    assert ("", 10, "a", 5.0) in driven.rows()


# ---- any disorder -------------------------------------------------------------------------------------------------


class Sent(NamedTuple):
    """A message as the node sent it, and the rows it stands for."""

    verb: Verb
    device: str
    body: bytes
    rows: frozenset[tuple[str, int, str, Any]]


def life(bd: int, start: int, moves: list[str], first_alias: int) -> list[Sent]:
    """One session of a node with two devices: births, then data as `moves` say."""
    aliases = {"": first_alias, "D": first_alias + 1, "E": first_alias + 2}
    names = {"": "a", "D": "d", "E": "e"}
    sent: list[Sent] = []
    t = start

    def send(verb: Verb, device: str, metrics: list[M], rows: set[tuple[str, int, str, Any]]) -> None:
        nonlocal t
        seq = len(sent) % 256
        body = nbirth(metrics, bd=bd, t=T0 + t) if verb is Verb.NBIRTH else payload(metrics, seq=seq, t=T0 + t)
        sent.append(Sent(verb, device, body, frozenset(rows)))
        t += 1

    for device, verb in (("", Verb.NBIRTH), ("D", Verb.DBIRTH), ("E", Verb.DBIRTH)):
        metric = M(names[device], float(t), alias=aliases[device], datatype=DataType.DOUBLE)
        send(verb, device, [metric], {(device, t, names[device], float(t))})
    for device in moves:
        verb = Verb.DDATA if device else Verb.NDATA
        send(verb, device, [M(None, float(t), alias=aliases[device])], {(device, t, names[device], float(t))})
    return sent


MOVES = st.lists(st.sampled_from(["", "D", "E"]), min_size=1, max_size=25)


def shuffled(data: st.DataObject, sent: list[Sent], reach: int) -> list[Sent]:
    """Messages that overtake each other by at most `reach` places."""
    keys = [index + data.draw(st.integers(0, reach)) for index in range(len(sent))]
    return [sent[index] for index in sorted(range(len(sent)), key=lambda index: (keys[index], index))]


@settings(max_examples=150)
@given(data=st.data(), moves=MOVES)
def test_any_order_within_the_time_out_gives_the_same_rows_and_no_rebirth(
    data: st.DataObject, moves: list[str]
) -> None:
    sent = life(1, 0, moves, 10)
    driven = Driven()
    delivered = shuffled(data, sent, 6)
    for each in delivered:
        driven.receive(each.verb, each.body, each.device)
    assert driven.rows() == frozenset().union(*(each.rows for each in sent))
    assert driven.pass_time(10) == []


@settings(max_examples=250)
@given(data=st.data(), first=MOVES, second=MOVES)
def test_any_loss_disorder_and_repetition_gives_the_true_rows_or_asks_for_a_rebirth(
    data: st.DataObject, first: list[str], second: list[str]
) -> None:
    """Two sessions whose aliases mean different metrics; then the node answers every request with its births."""
    earlier, later = life(1, 0, first, 10), life(2, 1000, second, 11)
    sent = earlier + later
    truth = frozenset().union(*(each.rows for each in sent))
    lost = set(data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=4)))
    twice = set(data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=3)))
    delivered = [each for index, each in enumerate(sent) for _ in range(0 if index in lost else 1 + (index in twice))]
    driven = Driven()
    for each in shuffled(data, delivered, 4):
        driven.receive(each.verb, each.body, each.device)
    t = 100_000
    for _ in range(6):
        if any(isinstance(each, AskRebirth) for each in driven.pass_time(40)):
            for each in life(2, t, [], 11):
                driven.receive(each.verb, each.body, each.device)
                truth |= each.rows
            t += 1000
    driven.pass_time(WAIT_S + 1)
    rows = driven.rows()
    assert rows <= truth, "a reading under another metric's name"
    delivered_rows = frozenset().union(*(each.rows for each in delivered)) if delivered else frozenset()
    missing = delivered_rows - rows
    aside = Counter(each.arrival.message.payload for each in driven.of(SetAside))
    unclear = {each.arrival.message.payload for each in driven.of(Store) if Reader(each, Names()).read().problems}
    for each in delivered:
        if each.rows & missing:
            assert each.body in aside or each.body in unclear, "a message disappeared"
    newest = [index for index in range(len(earlier), len(sent))]
    before_the_last_delivered = max((i for i in newest if i not in lost), default=0)
    if any(index in lost for index in range(len(earlier), before_the_last_delivered)):
        assert driven.session.rebirths > 0, "a gap that nobody noticed"
