"""Facts of a report as sections of words in one language, which a template puts in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway import texts
from gateway.wording import words
from ticketing.reports.facts import Answered, Checklist, Facts

Section = dict[str, Any]
_TITLES = ("customer_request", "follow_up", "split", "case", "plan")
_LONGEST = 120  # characters of a customer's words in a subject


class View:
    """One report in one language."""

    def __init__(self, facts: Facts, language: str) -> None:
        self.facts = facts
        self.language = language
        self.zone = _zone(facts.machine.time_zone)

    def said(self, code: str, **params: object) -> str:
        """Return a text of reports."""
        return texts.text(self.language, f"report.{code}", **params)

    def named(self, en: str | None, zh: str | None) -> str:
        """Return what has a name in both languages, in the other one when it must."""
        return ((zh or en) if self.language == "zh" else (en or zh)) or ""

    def moment(self, at: datetime | None) -> str:
        """Return a moment as the machine's site counts it."""
        return f"{texts.moment(self.language, at, self.zone)} ({self.zone})" if at else ""

    def sections(self) -> dict[str, Section]:
        """Return what there is to say, by name; a template takes what it wants."""
        made = {
            "machine": self._machine(),
            "work": self._work(),
            "requested": self._list("requested", self.facts.requested),
            "noticed": self._noticed(),
            "checks": self._list("checks", [self.named(one.get("en"), one.get("zh")) for one in self.facts.checks]),
            "done": self._done(),
            "checklists": {"parts": [self._checklist(each) for each in self.facts.checklists]},
            "spent": self._spent(),
            "parts": self._parts(),
            "warranty": self._warranty(),
        }
        return {name: section for name, section in made.items() if section and any(section.values())}

    def title(self) -> str:
        """Return why the work was opened, in words."""
        facts = self.facts
        if facts.title_text:
            return facts.title_text
        code = facts.title_code
        if code.startswith("noticed_"):
            return self.said("title.noticed", label=self._label(facts.title_params or {}))
        if code == "customer_request" and (said := " ".join((facts.requested or ("",))[0].split())):
            return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
        return self.said(f"title.{code}", **(facts.title_params or {})) if code in _TITLES else ""

    def _label(self, share: Any) -> str:
        return self.named(share.get("label_en"), share.get("label_zh")) or str(share.get("metric") or "–")

    def _pairs(self, heading: str, pairs: Sequence[tuple[str, str]]) -> Section:
        kept = [[self.said(code), value] for code, value in pairs if value]
        return {"heading": self.said(heading), "pairs": kept} if kept else {}

    def _list(self, heading: str, lines: Sequence[str]) -> Section:
        return {"heading": self.said(heading), "lines": [each for each in lines if each]} if lines else {}

    def _machine(self) -> Section:
        machine = self.facts.machine
        model = " · ".join(
            each for each in (self.named(machine.model_en, machine.model_zh), machine.manufacturer) if each
        )
        return self._pairs(
            "machine",
            [
                ("machine.name", machine.name),
                ("machine.serial", machine.serial),
                ("machine.model", model),
                ("machine.site", machine.site),
                ("machine.address", machine.address),
                ("customer", self.facts.customer or ""),
                ("provider", self.facts.provider),
            ],
        )

    def _work(self) -> Section:
        facts = self.facts
        return self._pairs(
            "work",
            [
                ("work.title", self.title()),
                ("work.origin", self.said(f"origin.{facts.origin}") if facts.origin else ""),
                ("work.priority", self.said(f"priority.{facts.priority}") if facts.priority else ""),
                ("work.opened_at", self.moment(facts.opened_at)),
                ("work.planned", self.moment(facts.planned_from)),
                ("work.started_at", self.moment(facts.started_at)),
                ("work.done_at", self.moment(facts.done_at)),
                ("work.technicians", self.said("comma").join(facts.technicians)),
            ],
        )

    def _noticed(self) -> Section:
        noticed = self.facts.noticed
        if noticed is None:
            return {}
        lines = [self._explained(line) for line in noticed.lines]
        modes = [self.named(mode["name_en"], mode["name_zh"]) or mode["code"] for mode in noticed.failure_modes]
        grave = texts.text(self.language, f"severity.{noticed.severity}") if noticed.severity else ""
        rows = [
            [self._label(each), self._measured(each, "expected"), self._measured(each, "seen")]
            for each in noticed.values
        ]
        section = self._pairs(
            "noticed",
            [
                ("noticed.since", self.moment(noticed.since)),
                ("noticed.severity", grave),
                ("noticed.modes", self.said("comma").join(each for each in modes if each)),
            ],
        )
        head = [self.said("noticed.metric"), self.said("noticed.expected"), self.said("noticed.seen")]
        return {
            "heading": self.said("noticed"),
            **section,
            "lines": [each for each in lines if each],
            "table": _table(head, rows, (4, 2, 2), right=(1, 2)) if rows else None,
        }

    def _explained(self, line: dict[str, Any]) -> str:
        said = words("", str(line["code"]), line["params"])
        return said.zh if self.language == "zh" else said.en

    def _measured(self, share: dict[str, Any], name: str) -> str:
        unit = str(share.get("unit_label") or "")
        number = _number(share.get(name))
        return f"{number} {unit}" if number != "–" and unit not in ("", "1") else number

    def _done(self) -> Section:
        done = self.facts.done
        if done is None:
            return {}
        failure = [
            (f"done.{name}", self.named(one.get("en"), one.get("zh")) or one.get("code", ""))
            for name, one in (("mode", done.failure_mode), ("cause", done.cause), ("action", done.action))
            if one
        ]
        outcome = self.said(f"outcome.{done.outcome}") if done.outcome else ""
        return self._pairs("done", [("done.outcome", outcome), *failure, ("done.note", done.note or "")])

    def _checklist(self, of: Checklist) -> Section:
        heads = [self.said(f"step.{name}") for name in ("title", "answer", "limits", "ok")]
        rows = [[self._step(step), self._answer(step), self._limits(step), self._judged(step)] for step in of.steps]
        version = f" ({of.code} v{of.version})" if of.version is not None else ""
        return {
            "heading": f"{self.said('checklist')}: {self.named(of.name_en, of.name_zh)}{version}",
            "table": _table(heads, rows, (5, 4, 3, 2)),
        }

    def _step(self, step: Answered) -> str:
        note = f"\n{step.note}" if step.note else ""
        return f"{self.named(step.title_en, step.title_zh)}{note}"

    def _answer(self, step: Answered) -> str:
        value = step.value
        photos = self.said("step.photos", count=step.photos) if step.photos else ""
        if value is None:
            return photos or "–"
        if isinstance(value, bool):
            said = self.said("yes" if value else "no")
        elif step.chosen_en or step.chosen_zh:
            said = self.named(step.chosen_en, step.chosen_zh)
        else:
            said = _number(value) if isinstance(value, int | float) else str(value)
            said = f"{said} {step.unit}" if step.unit and said else said
        return " · ".join(each for each in (said, photos) if each) or self.said("step.done")

    def _limits(self, step: Answered) -> str:
        unit = f" {step.unit}" if step.unit else ""
        low, high = step.low, step.high
        if low is None and high is None:
            return ""
        if low is None:
            return f"≤ {_number(high)}{unit}"
        return f"≥ {_number(low)}{unit}" if high is None else f"{_number(low)} – {_number(high)}{unit}"

    def _judged(self, step: Answered) -> str:
        if step.value is None and not step.photos:  # a photo is an answer, also where it is not shown
            return self.said("step.open")
        return self.said("step.out" if step.out_of_limit else "step.good")

    def _spent(self) -> Section:
        rows = [
            [
                texts.calendar_day(self.language, each.day),
                f"{self.said(f'spent.{each.kind}')} · {self.said(f'category.{each.category}')}",
                self._minutes(each.minutes),
                _decimal(each.kilometres, " km"),
                _decimal(each.amount, f" {each.currency or ''}".rstrip()),
            ]
            for each in self.facts.spent
        ]
        if not rows:
            return {}
        total = sum(each.minutes or 0 for each in self.facts.spent if each.kind == "labour")
        if total:
            rows.append(["", self.said("spent.total"), self._minutes(total), "", ""])
        heads = [self.said(f"spent.{name}") for name in ("day", "what", "time", "distance", "amount")]
        return {"heading": self.said("spent"), "table": _table(heads, rows, (3, 4, 3, 2, 3), right=(2, 3, 4))}

    def _minutes(self, minutes: int | None) -> str:
        return self.said("minutes", hours=minutes // 60, minutes=f"{minutes % 60:02d}") if minutes is not None else ""

    def _parts(self) -> Section:
        rows = [
            [
                part.number,
                self.named(part.name_en, part.name_zh),
                part.serial or "",
                f"{_decimal(part.quantity, '')} {part.unit}",
                "" if part.in_warranty is None else self.said("yes" if part.in_warranty else "no"),
            ]
            for part in self.facts.parts
        ]
        heads = [self.said(f"part.{name}") for name in ("number", "name", "serial", "quantity", "covered")]
        return (
            {"heading": self.said("parts"), "table": _table(heads, rows, (3, 4, 4, 2, 2), right=(3,))} if rows else {}
        )

    def _warranty(self) -> Section:
        rows = [
            [self.said(f"covered.{each.kind}"), self.said(f"verdict.{each.verdict}")] for each in self.facts.warranty
        ]
        heads = [self.said("covered.what"), self.said("covered.verdict")]
        return {"heading": self.said("warranty"), "table": _table(heads, rows, (1, 1))} if rows else {}


def _table(
    head: list[str], rows: list[list[str]], widths: tuple[int, ...], right: tuple[int, ...] = ()
) -> dict[str, Any]:
    return {"head": head, "rows": rows, "widths": list(widths), "right": list(right)}


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{int(value)}" if value == int(value) and abs(value) < 1e12 else f"{value:.6g}"


def _decimal(value: Decimal | None, unit: str) -> str:
    return f"{value.normalize():f}{unit}" if value is not None else ""
