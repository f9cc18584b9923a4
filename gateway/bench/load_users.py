"""What dispatchers and phones ask for, as their pages do: by seeded chance, and by what they have seen."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from PIL import Image

from assets.base.ids import uuid7
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
_PHONE = {"today": 30, "changes": 25, "order": 16, "machine": 6, "history": 4, "step": 12, "note": 4, "photo": 3}
FIRST_PIECE = 256 * 1024  # as the phone begins; twice as much after each that went well
PICTURES = 4

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
        media = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        answer = await self.client.ask(method, API + path, body, etag=etag, key=key, kind=media)
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
    """See what is mine and what nobody has, as the phone's first page asks each minute."""
    found, _ = await asyncio.gather(
        user.ask("phone_today", "GET", "/work-orders?assignee=me&recent=true&limit=100"),
        user.ask("phone_free", "GET", "/work-orders?open=true&assignee=nobody&limit=100"),
    )
    if found.status == 200:
        live = ("unscheduled", "scheduled", "in_progress")
        user.seen["mine"] = [row for row in found.json()["items"] if row["state"] in live]


async def changes(user: User) -> None:
    """Ask for what is new, each minute: the first time it is the whole day."""
    since = user.seen.get("since")
    kind = "phone_changes" if since else "phone_day"
    found = await user.ask(kind, "GET", f"/sync/changes{f'?since={since}' if since else ''}")
    if found.status == 200:
        user.seen["since"] = found.json()["since"]


async def job(user: User) -> None:
    """Open a job: all that its page shows."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    base = f"/work-orders/{row['id']}"
    paths = (base, f"{base}/procedures", f"{base}/last-fixes", f"/help-requests?work_order_id={row['id']}")
    await user.page("phone_order", *paths, f"/assets/{row['asset']['id']}")
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


async def _sync(user: User, kind: str, operation: str, of: str, subject: str, payload: dict[str, Any]) -> bool:
    """Send one operation as the phone's outbox does; return whether it was applied."""
    now = datetime.now(UTC).isoformat()
    told = {"id": str(uuid7()), "kind": operation, "subject": {"kind": of, "id": subject}, "made_at": now}
    body = {"device": f"bench-{user.person.id}", "sent_at": now, "operations": [told | {"payload": payload}]}
    answer = await user.ask(kind, "POST", "/sync", body)
    return answer.status == 200 and answer.json()["results"][0]["state"] == "applied"


async def step(user: User) -> None:
    """Take the next step of the first job: set out and begin, then finish; what it changed is read again."""
    rows = user.seen.get("mine")
    if not rows:
        return await today(user)
    row = next((each for each in rows if each["state"] == "in_progress"), rows[-1])
    if row["state"] == "in_progress":
        payload: dict[str, Any] = {"outcome": "confirmed", "note": "Seal replaced"}
        done = await _sync(user, "phone_finish", "order.finish", "work_order", row["id"], payload)
    else:
        place = {"latitude_deg": 31.2, "longitude_deg": 121.5, "accuracy_m": 12}
        payload = {"to": "in_progress", "place": place}
        done = await _sync(user, "phone_begin", "visit.move", "work_order", row["id"], payload)
    if done:
        await user.page("phone_order", f"/work-orders/{row['id']}")
    await today(user)
    return None


async def note(user: User) -> None:
    """Write down a cost."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    line = {"kind": "expense", "amount": "12.50", "currency": "CNY", "category": "parking"}
    await _sync(user, "phone_note", "line.add", "work_order", row["id"], line)
    return None


async def photo(user: User) -> None:
    """Take a photo of a job: announce it, ask how much is there, send it in pieces."""
    row = user.one("mine")
    if row is None:
        return await today(user)
    content, key = picture(user.chance.randrange(PICTURES)), str(uuid7())
    body = {
        "id": key, "subject_kind": "work_order", "subject_id": row["id"], "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(), "captured_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    made = await user.ask("photo_new", "POST", "/evidence", body)
    if made.status != 201:
        return None
    await user.page("photo_new", f"/evidence/{key}")
    offset, length = 0, FIRST_PIECE
    while offset < len(content):
        piece = content[offset : offset + length]
        sent = await user.ask("photo_piece", "PUT", f"/evidence/{key}/content?offset={offset}", piece)
        if sent.status != 200:
            return None
        offset, length = offset + len(piece), 2 * length
    return None


@cache
def picture(number: int) -> bytes:
    """Return a photo as phones shrink them."""
    out = io.BytesIO()
    noise = Image.effect_noise((1280, 960), 20 + number).convert("RGB")
    noise.save(out, "JPEG", quality=70)
    return out.getvalue()


DESK_ACTIONS: dict[str, Action] = {
    "board": board, "orders": orders, "triage": triage, "case": case, "order": order, "dry_run": dry_run, "move": move,
    "search": search, "message": message, "claim": claim, "candidates": candidates, "waiting": waiting,
    "figures": figures,
}  # fmt: skip
PHONE_ACTIONS: dict[str, Action] = {
    "today": today, "changes": changes, "order": job, "machine": machine, "history": history, "step": step,
    "note": note, "photo": photo,
}  # fmt: skip


def next_action(user: User, desk: bool) -> Action:
    """Choose what somebody does next."""
    actions, weights = (DESK_ACTIONS, _DESK) if desk else (PHONE_ACTIONS, _PHONE)
    return actions[user.chance.choices(list(weights), list(weights.values()))[0]]
