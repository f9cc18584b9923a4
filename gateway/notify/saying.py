"""What a message says in both languages: a rule's own templates, the server's words for it, or the plain facts."""

from __future__ import annotations

from gateway import texts
from gateway.notify.facts import Facts, said_words
from gateway.notify.rule_models import NotificationRule
from gateway.notify.templates import LINK, MAX_BODY, fill, one_line

_LINES = ("asset", "customer", "site", "planned", "due_at", "date")
Said = dict[str, dict[str, str]]


def texts_of(rule: NotificationRule, facts: Facts) -> Said:
    """Return {en, zh: {subject, body}}; the link stays a place until it is sent."""
    return {language: _say(rule, facts, language) for language in texts.LANGUAGES}


def _say(rule: NotificationRule, facts: Facts, language: str) -> dict[str, str]:
    words = said_words(facts, language)
    own = rule.templates.get(language) or {}
    usual = _usual(rule.code, facts, language, words)
    subject = fill(own["subject"], words) if own.get("subject") else usual["subject"]
    body = fill(own["body"], words) if own.get("body") else usual["body"]
    # A place that nobody could fill must not leave its colon behind.
    return {"subject": one_line(subject).rstrip(" :：,，-–"), "body": body[:MAX_BODY]}


def _usual(code: str | None, facts: Facts, language: str, words: dict[str, str]) -> dict[str, str]:
    off = facts.kind.endswith(".cancelled") or facts.payload.get("to") == "cancelled"
    if off and texts.has(f"notify.{code}.off.subject"):
        code = f"{code}.off"
    if code and texts.has(f"notify.{code}.subject"):
        said = texts.catalogue(language)
        return {part: fill(said[f"notify.{code}.{part}"], words) for part in ("subject", "body")}
    number, what = words.get("number", ""), words.get("what", "")
    subject = what if not number or number in what else f"{number}: {what}"
    if facts.date_at is not None:
        subject = texts.text(language, "notify.reminder.subject", number=number, what=what, date=words.get("date", ""))
    lines = [texts.text(language, f"notify.line.{name}", value=words[name]) for name in _LINES if words.get(name)]
    return {"subject": subject, "body": "\n".join([what, "", *lines, "", LINK]).strip()}


def with_link(text: str, link: str, opt_out: str = "") -> str:
    """Put the addresses into what was kept."""
    return text.replace(LINK, link).replace("{opt_out}", opt_out)
