"""What a notification says: templates with named places, checked when written and filled in without surprises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assets.base.errors import Invalid

MAX_SUBJECT, MAX_BODY = 200, 4000
LINK = "{link}"  # stays in what is kept: the address of the server may be another one when it is sent
# What every template may name; what is not known of a thing is left empty.
PLACES = frozenset(
    {"number", "title", "priority", "severity", "state", "asset", "serial", "model", "customer", "site", "region"}
    | {"service_type", "team", "technician", "actor", "what", "planned", "window", "due_at", "date", "days"}
    | {"clock", "percent", "work_order", "step", "round", "of", "list", "key", "link", "opt_out"}
)
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def check_template(text: str, where: str, most: int) -> str:
    """Return the template. Raises Invalid, which names the place and the word, for one that cannot be filled in."""
    if len(text) > most:
        raise Invalid(f"at most {most} characters", field=where, limit=most)
    for found in _PLACE.finditer(text):
        if found.group() in ("{{", "}}"):
            continue
        name = found.group(1)
        if name is None:
            raise Invalid(
                f"a single {found.group()} at character {found.start() + 1}; write it twice to mean itself",
                field=where, at=found.start() + 1,
            )  # fmt: skip
        if name not in PLACES:
            raise Invalid(
                f"nothing is called {{{name}}} (character {found.start() + 1})",
                field=where, name=name, at=found.start() + 1, allowed=sorted(PLACES),
            )  # fmt: skip
    return text


def check_templates(templates: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return {en, zh: {subject, body}} with what is empty left out. Raises Invalid as `check_template` does."""
    kept: dict[str, dict[str, str]] = {}
    for language, parts in templates.items():
        if language not in ("en", "zh"):
            raise Invalid("templates are in en and zh", field=f"templates.{language}")
        said = {}
        for part, most in (("subject", MAX_SUBJECT), ("body", MAX_BODY)):
            text = str((parts or {}).get(part) or "").strip()
            if text:
                said[part] = check_template(text, f"templates.{language}.{part}", most)
        if said:
            kept[language] = said
    return kept


def fill(template: str, words: Mapping[str, str]) -> str:
    """Put words into their places; what nobody knows is left out, the link stays for whoever sends it.

    Nothing that is put in is looked at again: a title with braces is only a title.
    """

    def said(found: re.Match[str]) -> str:
        if found.group() in ("{{", "}}"):
            return found.group()[0]
        name = found.group(1)
        if name in ("link", "opt_out"):
            return f"{{{name}}}"
        return words.get(name, "") if name is not None else found.group()

    return _PLACE.sub(said, template)


def one_line(text: str, most: int = MAX_SUBJECT) -> str:
    """Return a text on one line, cut to a length."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
