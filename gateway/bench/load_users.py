"""What dispatchers and phones ask for, as their pages do: by seeded chance, and by what they have seen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from gateway.bench.load_copy import Member
from gateway.bench.load_http import Answer, Client

DESK_EVERY_S, PHONE_EVERY_S = 5.0, 30.0
API = "/api/v1"
SAID = (
    "漏水",
    "离心泵 seal",
    "BENCH-123",
    "spindle noise",
    "WO-90012",
    "客户 17",
    "tripped",
    "主轴异响",
    "号",
    "CS-9000",
)
_DESK = {
    "board": 16, "orders": 10, "triage": 10, "case": 12, "order": 16, "dry_run": 9, "move": 6, "search": 8,
    "message": 4, "claim": 3, "candidates": 3, "waiting": 2, "figures": 1,
}  # fmt: skip
_PHONE = {"today": 40, "order": 20, "free": 8, "machine": 8, "history": 5, "step": 14, "note": 5}

Note = Callable[[str, float, int], None]


@dataclass
class User:
    """Somebody at work: a browser that is signed in, chance of their own, and what they saw last."""

    person: Member
    client: Client
    chance: random.Random
    note: Note
    seen: dict[str, Any] = field(default_factory=dict)
    keys: int = 0

    async def ask(self, kind: str, method: str, path: str, body: Any = None, *, etag: str = "") -> Answer:
        """Send one request and note how long it took."""
        loop = asyncio.get_running_loop()
        key = ""
        if method != "GET":
            self.keys += 1
            key = f"{self.person.id}-{self.keys}"
        begun = loop.time()
        answer = await self.client.ask(method, API + path, body, etag=etag, key=key)
        self.note(kind, loop.time() - begun, answer.status)
        return answer

    async def page(self, kind: str, *paths: str) -> list[Answer]:
        """Ask for all that a page shows, at once, as a browser does."""
        return await asyncio.gather(*(self.ask(kind, "GET", path) for path in paths))

    def one(self, name: str) -> Any:
        """Return something of what was seen, None when nothing was."""
        known: Sequence[Any] = self.seen.get(name) or ()
        return self.chance.choice(known) if known else None

    def keep(self, name: str, answer: Answer, of: Callable[[dict[str, Any]], Any] = lambda row: row["id"]) -> None:
        """Remember the rows of a list."""
        if answer.status == 200:
            self.seen[name] = [of(row) for row in answer.json()["items"]]


Action = Callable[[User], Awaitable[None]]


def day() -> str:
    """Return the query of the board's day."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return urlencode({"from": start.isoformat(), "until": (start + timedelta(days=1)).isoformat()})


async def board(user: User) -> None:
    """Look at the team's day, and at what nobody has yet."""
    span = f"{day()}&team_id={user.person.team}"
    told, bench = await asyncio.gather(
        user.ask("board", "GET", f"/dispatch/board?{span}", etag=user.seen.get("etag", "")),
        user.ask("unassigned", "GET", f"/dispatch/unassigned?{span}"),
    )
    if told.status == 200:
        found = told.json()
        user.seen["etag"] = told.etag
        user.seen["bars"] = [bar for bar in found["visits"] if bar["state"] == "scheduled"]
        user.seen["people"] = [line["id"] for line in found["resources"]]
    user.keep("waiting", bench, lambda row: row)


async def orders(user: User) -> None:
    """Look at a list of orders."""
    query = user.chance.choice(
        ("open=true", f"open=true&team_id={user.person.team}", "state=unscheduled", "sla=at_risk", "review=waiting")
    )
    (found,) = await user.page("orders", f"/work-orders?{query}&limit=50")
    user.keep("orders", found)


async def triage(user: User) -> None:
    """Look at what came in."""
    (found,) = await user.page("triage", f"/triage?list={user.chance.choice(('claim', 'claim', 'handle'))}")
    user.keep("cases", found)


async def case(user: User) -> None:
    """Open a case."""
    one = user.one("cases")
    if one is None:
        return await triage(user)
    base = f"/cases/{one}"
    parts = ("", "/context", "/messages?limit=500", "/duplicates")
    await user.page("case", *(base + part for part in parts), f"/sla-clocks/case/{one}")
    return None


async def order(user: User) -> None:
    """Open a work order."""
    one = user.one("orders") or (user.one("bars") or {}).get("work_order_id")
    if one is None:
        return await orders(user)
    base = f"/work-orders/{one}"
    await user.page("order", base, f"{base}/reports", f"{base}/coverage", f"/sla-clocks/work_order/{one}", "/skills")
    return None


def _drop(user: User) -> dict[str, Any] | None:
    bar, person = user.one("bars"), user.one("people")
    if bar is None or person is None:
        return None
    start = datetime.now(UTC) + timedelta(minutes=user.chance.randint(15, 480))
    return {
        "visit_id": bar["id"], "technician_id": person, "planned_start": start.replace(second=0).isoformat(),
        "version": bar["version"],
    }  # fmt: skip


async def dry_run(user: User) -> None:
    """Drag a visit over somebody's hour."""
    body = _drop(user)
    if body is None:
        return await board(user)
    await user.ask("dry_run", "POST", "/dispatch/moves", {**body, "dry_run": True})
    return None


async def move(user: User) -> None:
    """Drop a visit where the check finds nothing against it; accept what it says when the dispatcher knows better."""
    body = _drop(user)
    if body is None:
        return await board(user)
    checked = await user.ask("dry_run", "POST", "/dispatch/moves", {**body, "dry_run": True})
    if checked.status != 200:
        return None
    codes = sorted({each["code"] for each in checked.json()["violations"]})
    await user.ask("move", "POST", "/dispatch/moves", {**body, "accept": codes})
    await board(user)
    return None


async def search(user: User) -> None:
    """Search everywhere."""
    await user.page("search", f"/search?q={quote(user.chance.choice(SAID))}")


async def message(user: User) -> None:
    """Write into a case's thread."""
    one = user.one("cases")
    if one is None:
        return await triage(user)
    await user.ask("message", "POST", f"/cases/{one}/messages", {"text": f"We come at {user.chance.randint(8, 17)}:00"})
    return None


async def claim(user: User) -> None:
    """Claim a case."""
    one = user.one("cases")
    if one is None:
        return await triage(user)
    await user.ask("claim", "POST", f"/cases/{one}/claim", {})
    return None


async def candidates(user: User) -> None:
    """Ask who could go."""
    row = user.one("waiting") or user.one("bars")
    if row is None:
        return await board(user)
    await user.page("candidates", f"/work-orders/{row['work_order_id']}/candidates")
    return None


async def waiting(user: User) -> None:
    """Give an order that nobody has to somebody."""
    row, person = user.one("waiting"), user.one("people")
    if row is None or person is None:
        return await board(user)
    start = datetime.now(UTC) + timedelta(minutes=user.chance.randint(15, 480))
    body = {"work_order_id": row["work_order_id"], "technician_id": person, "planned_start": start.isoformat()}
    checked = await user.ask("dry_run", "POST", "/dispatch/moves", {**body, "dry_run": True})
    if checked.status == 200:
        codes = sorted({each["code"] for each in checked.json()["violations"]})
        await user.ask("move", "POST", "/dispatch/moves", {**body, "accept": codes})
    return None


async def figures(user: User) -> None:
    """Look at the month's figures."""
    until = datetime.now(UTC)
    span = urlencode({"from": (until - timedelta(days=30)).isoformat(), "until": until.isoformat()})
    await user.page("figures", f"/service-figures?{span}&team_id={user.person.team}")


async def today(user: User) -> None:
    """See what is mine."""
    (found,) = await user.page("phone_today", "/work-orders?assignee=me&open=true&limit=100")
    if found.status == 200:
        live = ("unscheduled", "scheduled", "in_progress")
        user.seen["mine"] = [row for row in found.json()["items"] if row["state"] in live]


async def free(user: User) -> None:
    """See what nobody has."""
    await user.page("phone_free", "/work-orders?open=true&assignee=nobody&limit=30")


async def job(user: User) -> None:
    """Open a job."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    await user.page("phone_order", f"/work-orders/{row['id']}")
    return None


async def machine(user: User) -> None:
    """Look at the machine of a job."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    await user.page("phone_machine", f"/assets/{row['asset']['id']}")
    return None


async def history(user: User) -> None:
    """Look at what happened to the machine."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    await user.page("phone_history", f"/assets/{row['asset']['id']}/timeline?limit=12")
    return None


async def step(user: User) -> None:
    """Take the next step of the first job: set out and begin, then finish."""
    rows = user.seen.get("mine")
    if not rows:
        return await today(user)
    row = next((each for each in rows if each["state"] == "in_progress"), rows[-1])
    path = f"/work-orders/{row['id']}"
    if row["state"] == "in_progress":
        done = await user.ask("phone_step", "POST", f"{path}/finish", {"outcome": "confirmed", "note": "Seal replaced"})
    else:
        done = await user.ask("phone_step", "POST", f"{path}/start", {})
    if done.status == 200:
        row["state"] = done.json()["state"]
        user.seen["mine"] = [each for each in rows if each["state"] != "completed"]
    else:
        await today(user)
    return None


async def note(user: User) -> None:
    """Write down time or a cost."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    line = {"kind": "expense", "amount": "12.50", "currency": "CNY", "category": "parking"}
    await user.ask("phone_note", "POST", f"/work-orders/{row['id']}/lines", line)
    return None


DESK_ACTIONS: dict[str, Action] = {
    "board": board, "orders": orders, "triage": triage, "case": case, "order": order, "dry_run": dry_run, "move": move,
    "search": search, "message": message, "claim": claim, "candidates": candidates, "waiting": waiting,
    "figures": figures,
}  # fmt: skip
PHONE_ACTIONS: dict[str, Action] = {
    "today": today, "order": job, "free": free, "machine": machine, "history": history, "step": step, "note": note,
}  # fmt: skip


def next_action(user: User, desk: bool) -> Action:
    """Choose what somebody does next."""
    actions, weights = (DESK_ACTIONS, _DESK) if desk else (PHONE_ACTIONS, _PHONE)
    return actions[user.chance.choices(list(weights), list(weights.values()))[0]]
