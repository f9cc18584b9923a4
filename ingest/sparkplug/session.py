"""One edge node's session: births, deaths, order of messages, and when to ask for a rebirth. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest.sparkplug.births import NOTHING, Birth, Lookup, Unresolved, read_birth
from ingest.sparkplug.names import Verb
from ingest.sparkplug.outcomes import (
    SEQUENCE,
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
)

REORDER_S = 2.0  # how long a message may be overtaken by later ones before it counts as lost
WAIT_S = 300.0  # how long a message waits for the birth that explains it
MAX_EARLY = 200  # messages held for one that is missing; the numbers repeat after 256
MAX_WAITING = 1000  # messages of one node that wait for a birth
ASK_FIRST_S, ASK_MOST_S = 5.0, 60.0  # between two requests; longer each time, so that no node is kept busy with births
CALM_S = 600.0  # without a request, then the next one counts as the first again
MAX_DEVICES = 2000  # of one node
MAX_ASKS = 8  # then only if the node sends something
UNBORN_S = 30.0  # a device whose birth does not follow its node's within this is gone


@dataclass(slots=True)
class _Life:
    """From one birth of the node to its death or its next birth."""

    bd_seq: int | None
    sent_ms: int | None
    fingerprint: int
    births: dict[str, Birth]
    size: int  # definitions, taken from the memory that all share


class _Waiting(NamedTuple):
    arrival: Arrival
    before: Birth | None  # in force when it came
    is_certain: bool  # nothing was missing then: what `before` says of it is true, if not all that it needs


@dataclass(slots=True)
class Session:
    """Of one edge node, from the host's start to its end. Messages go in, in order of receipt; outcomes come out.

    Every message that came is stored, waits, or is set aside with its reason; nothing disappears.
    """

    budget: Budget  # bytes of held messages
    memory: Budget  # definitions of metrics
    last_bd_seq: int | None = None  # of the birth that was stored last, before this host began
    reorder_s: float = REORDER_S
    wait_s: float = WAIT_S
    random: Callable[[], float] = lambda: 0.5
    gaps: int = 0  # times that the order was lost
    rebirths: int = 0  # requests sent
    _life: _Life | None = None
    _before: _Life | None = None
    _is_lost: bool = False  # a message is missing: nothing is certain until the next birth
    _next: int = 0
    _recent: dict[int, int] = field(default_factory=dict)
    _early: dict[int, Arrival] = field(default_factory=dict)
    _waiting: list[_Waiting] = field(default_factory=list)
    _reason: str = ""  # why a rebirth is wanted; "" when none is
    _asks: int = 0
    _asked_s: float = 0.0
    _ask_at: float = 0.0
    _has_asked_for_names: bool = False
    _unborn: set[str] = field(default_factory=set)
    _born_s: float = 0.0

    # ---- from outside ---------------------------------------------------------------------------------------------

    def receive(self, arrival: Arrival) -> list[Outcome]:
        """Take one message."""
        out: list[Outcome] = []
        verb = arrival.topic.verb
        if verb is Verb.NBIRTH:
            self._node_birth(arrival, out)
        elif verb is Verb.NDEATH:
            self._node_death(arrival, out)
        elif self._life is None or self._is_lost:
            self._want("sequence lost" if self._is_lost else "data before birth", arrival.received_s)
            self._wait(arrival, out)
        else:
            self._in_order(arrival, out)
        return out

    def tick(self, now_s: float) -> list[Outcome]:
        """Say what follows from the time alone; call it a few times a second."""
        out: list[Outcome] = []
        if self._early and now_s - min(each.received_s for each in self._early.values()) >= self.reorder_s:
            self._lose(now_s, out)
        while self._waiting and now_s - self._waiting[0].arrival.received_s >= self.wait_s:
            self._give_up(self._leave(0), "no birth came that explains it", out)
        if self._unborn and now_s - self._born_s >= UNBORN_S:
            out += [DeviceDied(device, None) for device in sorted(self._unborn)]
            self._unborn.clear()
        if self._reason and now_s >= self._ask_at and self._asks < MAX_ASKS:
            out.append(AskRebirth(self._reason))
            self._asked(now_s)
        return out

    def forget(self, now_s: float, grace_s: float) -> list[Outcome]:
        """What is known of the node is no longer certain: our connection was away. Ask it after about `grace_s`."""
        out: list[Outcome] = []
        if self._life is not None:
            self._remember_past(self._life)
        self._life, self._is_lost, self._asks = None, False, 0
        self._unborn.clear()
        self._hold_early(out)
        self._reason = "host came back"
        self._ask_at = now_s + grace_s
        return out

    def close(self) -> list[Outcome]:
        """Give up what waits: the host ends."""
        out: list[Outcome] = []
        for waited in self._take_all():
            self._give_up(waited, "the host ended before a birth came", out)
        return out

    @property
    def is_alive(self) -> bool:
        """True between a birth and its death, as far as is known."""
        return self._life is not None

    @property
    def needs_tick(self) -> bool:
        """False while time alone changes nothing."""
        return bool(self._early or self._waiting or self._unborn or (self._reason and self._asks < MAX_ASKS))

    # ---- births and deaths of the node ----------------------------------------------------------------------------

    def _node_birth(self, arrival: Arrival, out: list[Outcome]) -> None:
        life = self._life
        if life is not None and (life.fingerprint == arrival.fingerprint or _is_older(arrival, life)):
            out.append(Store(arrival, Lookup(None, read_birth(arrival.payload()))))  # its values, but no new session
            return
        known = life or self._before
        pending = self._take_all()
        before = known.births.get("") if known else None
        own = read_birth(arrival.payload(), before)
        self._unborn = set(life.births) - {""} if life else set()
        self._born_s = arrival.received_s
        self._remember_past(known)
        self._life = _Life(arrival.bd_seq, arrival.sent_ms, arrival.fingerprint, {}, 0)
        self._remember("", own)
        if arrival.bd_seq != self.last_bd_seq:
            self._has_asked_for_names = False
        self.last_bd_seq = arrival.bd_seq
        self._is_lost, self._reason = False, ""
        self._next = ((arrival.seq or 0) + 1) % SEQUENCE
        self._recent = {}
        out += [NodeBorn(arrival.bd_seq), Store(arrival, Lookup(None, own))]
        for number, each in enumerate(pending, 1):
            if _is_after(each.arrival, arrival, len(pending) - number + 1):
                self._in_order(each.arrival, out)
            else:
                self._settle(each, out)

    def _node_death(self, arrival: Arrival, out: list[Outcome]) -> None:
        life = self._life
        if life is not None:
            if None not in (arrival.bd_seq, life.bd_seq) and arrival.bd_seq != life.bd_seq:
                return  # of an earlier connection
            self._remember_past(life)
            self._life, self._is_lost = None, False
        elif not _may_be_present(arrival.bd_seq, self.last_bd_seq):
            return
        self._hold_early(out)
        self._unborn.clear()
        self._reason = ""  # nobody is there to answer
        out.append(NodeDied(arrival.bd_seq))

    # ---- order ----------------------------------------------------------------------------------------------------

    def _in_order(self, arrival: Arrival, out: list[Outcome]) -> None:
        """Apply a message when it is its turn, else hold it until the missing ones came or the time-out passed."""
        if self._life is None or self._is_lost:
            self._wait(arrival, out)
        elif arrival.seq is None:
            self._apply(arrival, out)
        elif arrival.seq == self._next:
            self._take_turn(arrival, out)
            while self._next in self._early:
                self._take_turn(self._release(self._next), out)
        elif self._recent.get(arrival.seq) == arrival.fingerprint:
            self._repeat(arrival, out)
        elif arrival.seq in self._early or len(self._early) >= MAX_EARLY or not self.budget.take(arrival.size):
            held = self._early.get(arrival.seq)
            if held is None or held.fingerprint != arrival.fingerprint:
                self._lose(arrival.received_s, out)
                self._wait(arrival, out)
        else:
            self._early[arrival.seq] = arrival.held()

    def _take_turn(self, arrival: Arrival, out: list[Outcome]) -> None:
        assert arrival.seq is not None
        self._recent[arrival.seq] = arrival.fingerprint
        self._next = (arrival.seq + 1) % SEQUENCE
        self._apply(arrival, out)

    def _repeat(self, arrival: Arrival, out: list[Outcome]) -> None:
        """Delivered twice: its readings are recognised by their times; births and deaths do not happen again."""
        birth = self._birth_of(arrival)
        if birth is not None and arrival.topic.verb is not Verb.DDEATH:
            out.append(Store(arrival, Lookup(None, birth)))

    def _lose(self, now_s: float, out: list[Outcome]) -> None:
        """A message is missing, perhaps a birth: what aliases mean is no longer certain."""
        self._is_lost = True
        self.gaps += 1
        self._want("sequence gap", now_s)
        self._hold_early(out)

    # ---- messages in their turn -----------------------------------------------------------------------------------

    def _apply(self, arrival: Arrival, out: list[Outcome]) -> None:
        life, device, verb = self._life, arrival.topic.device, arrival.topic.verb
        assert life is not None
        if verb is Verb.DBIRTH:
            self._device_birth(arrival, life, out)
        elif verb is Verb.DDEATH:
            life.births.pop(device, None)
            self._unborn.discard(device)
            out.append(DeviceDied(device, arrival.sent_ms))
        else:
            self._data(arrival, life.births.get(device), out)

    def _device_birth(self, arrival: Arrival, life: _Life, out: list[Outcome]) -> None:
        device = arrival.topic.device
        known = life.births.get(device) or (self._before.births.get(device) if self._before else None)
        birth = read_birth(arrival.payload(), known)
        self._remember(device, birth)
        self._unborn.discard(device)
        out += [DeviceBorn(device), Store(arrival, Lookup(None, birth))]
        explained = [each for each in self._waiting if each.arrival.topic.device == device]
        self._waiting = [each for each in self._waiting if each.arrival.topic.device != device]
        for waited in explained:
            self.budget.give_back(waited.arrival.size)
            out.append(Store(waited.arrival, Lookup(waited.before, birth)))

    def _data(self, arrival: Arrival, birth: Birth | None, out: list[Outcome]) -> None:
        if birth is None:
            self._want("data before the device's birth", arrival.received_s)
            self._wait(arrival, out, is_certain=True)
            return
        lookup = Lookup(None, birth)
        metrics = arrival.payload().metrics
        if any(lookup.find(metric) is Unresolved.UNKNOWN for metric in metrics):
            self._want("unknown alias", arrival.received_s)
            self._wait(arrival, out, is_certain=True)
            return
        if not self._has_asked_for_names and any(each.name and each.name not in birth.by_name for each in metrics):
            self._has_asked_for_names = True  # once: a node that never defines it answers with the same birth
            self._want("metric that no birth defines", arrival.received_s)
        out.append(Store(arrival, lookup))

    def _settle(self, waited: _Waiting, out: list[Outcome]) -> None:
        """What came before the node's birth: readings are stored when the births leave no doubt; the rest is past."""
        arrival, life = waited.arrival, self._life
        assert life is not None
        if arrival.topic.verb is Verb.DBIRTH:
            out.append(Store(arrival, Lookup(None, read_birth(arrival.payload()))))
        elif arrival.topic.verb is not Verb.DDEATH:
            birth = life.births.get(arrival.topic.device)
            if birth is None:
                self._hold(waited, out)  # until the device's own birth
            else:
                out.append(Store(arrival, Lookup(waited.before, birth)))

    # ---- memory ---------------------------------------------------------------------------------------------------

    def _remember(self, device: str, birth: Birth) -> None:
        """Keep what a birth defines while there is room; without it aliases stay unknown, and their messages wait."""
        assert self._life is not None
        size = len(birth.by_name)
        fits = len(self._life.births) < MAX_DEVICES and self.memory.take(size)
        self._life.births[device] = birth if fits else NOTHING
        self._life.size += size if fits else 0

    def _remember_past(self, life: _Life | None) -> None:
        if self._before is not None and self._before is not life:
            self.memory.give_back(self._before.size)
        self._before = life

    # ---- waiting --------------------------------------------------------------------------------------------------

    def _wait(self, arrival: Arrival, out: list[Outcome], *, is_certain: bool = False) -> None:
        self._hold(_Waiting(arrival.held(), self._birth_of(arrival), is_certain), out)

    def _hold(self, waited: _Waiting, out: list[Outcome]) -> None:
        if len(self._waiting) >= MAX_WAITING or not self.budget.take(waited.arrival.size):
            self._give_up(waited, "more waits for a birth than there is room for", out)
        else:
            self._waiting.append(waited)

    def _give_up(self, waited: _Waiting, detail: str, out: list[Outcome]) -> None:
        arrival = waited.arrival
        if arrival.topic.verb is Verb.DBIRTH:  # explains itself
            out.append(Store(arrival, Lookup(None, read_birth(arrival.payload()))))
        elif waited.is_certain and waited.before is not None:  # all but what that birth lacks
            out.append(Store(arrival, Lookup(None, waited.before)))
        elif arrival.topic.verb is not Verb.DDEATH:
            out.append(SetAside(arrival, detail))

    def _birth_of(self, arrival: Arrival) -> Birth | None:
        for life in (self._life, self._before):
            if life is not None and arrival.topic.device in life.births:
                return life.births[arrival.topic.device]
        return None

    def _hold_early(self, out: list[Outcome]) -> None:
        for seq in list(self._early):
            self._wait(self._release(seq), out)

    def _release(self, seq: int) -> Arrival:
        arrival = self._early.pop(seq)
        self.budget.give_back(arrival.size)
        return arrival

    def _leave(self, index: int) -> _Waiting:
        waited = self._waiting.pop(index)
        self.budget.give_back(waited.arrival.size)
        return waited

    def _take_all(self) -> list[_Waiting]:
        """Empty both buffers; return what was in them in order of receipt."""
        early = [self._release(seq) for seq in list(self._early)]
        pending = [_Waiting(each, self._birth_of(each), False) for each in early]
        while self._waiting:
            pending.append(self._leave(0))
        return sorted(pending, key=lambda each: each.arrival.message.received_us)

    # ---- asking ---------------------------------------------------------------------------------------------------

    def _want(self, reason: str, now_s: float) -> None:
        self._reason = self._reason or reason
        if now_s - self._asked_s > CALM_S:
            self._asks = 0
        self._asks = min(self._asks, MAX_ASKS - 1)  # it sends, so it is there to be asked again

    def _asked(self, now_s: float) -> None:
        pause_s = min(ASK_MOST_S, ASK_FIRST_S * 2.0**self._asks)
        self._ask_at = now_s + pause_s * (0.5 + self.random() / 2)  # many nodes must not answer in step
        self._asks += 1
        self._asked_s = now_s
        self.rebirths += 1


def _is_older(arrival: Arrival, life: _Life) -> bool:
    """A birth that was overtaken by the one of a later connection. Its time alone proves nothing: clocks are set."""
    if arrival.sent_ms is None or life.sent_ms is None or arrival.sent_ms >= life.sent_ms:
        return False
    if arrival.bd_seq is None or life.bd_seq is None:
        return False
    return (arrival.bd_seq - life.bd_seq) % SEQUENCE >= SEQUENCE // 2


def _is_after(arrival: Arrival, birth: Arrival, followers: int) -> bool:
    """True for a message of the new session that overtook its birth."""
    if arrival.seq is None or arrival.sent_ms is None or birth.sent_ms is None:
        return False
    if arrival.sent_ms == birth.sent_ms:
        return 0 < (arrival.seq - (birth.seq or 0)) % SEQUENCE <= followers
    return arrival.sent_ms > birth.sent_ms


def _may_be_present(dead: int | None, born: int | None) -> bool:
    """True unless the death belongs to a connection before the birth that was seen last."""
    return dead is None or born is None or (dead - born) % SEQUENCE < SEQUENCE // 2
