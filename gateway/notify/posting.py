"""Send one letter by its way; nothing that goes wrong here is an error of the worker's."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.notify.chat import send_chat
from gateway.notify.email import NotSent, send_email
from gateway.notify.letters import Letter, Outcome
from gateway.notify.models import CHAT, EMAIL, PUSH, SMS
from gateway.notify.push import send_push
from gateway.settings import Settings

log = logging.getLogger(__name__)


def post(letter: Letter, settings: Settings) -> Outcome:
    """Send a letter and say how it went. Never raises."""
    if letter.refused is not None:
        return Outcome(letter, letter.refused, again=letter.again)
    try:
        return _WAYS[letter.way](letter, settings)
    except NotSent as error:
        return Outcome(letter, str(error))
    except Exception as error:
        log.exception("notification %s failed", letter.ids[0])
        return Outcome(letter, f"{type(error).__name__}: {error}")


def _email(letter: Letter, settings: Settings) -> Outcome:
    assert settings.smtp_url is not None
    assert letter.to is not None
    send_email(settings.smtp_url, letter.to, letter.subject, letter.body, opt_out=letter.opt_out)
    return Outcome(letter, None)


def _chat(letter: Letter, settings: Settings) -> Outcome:
    assert letter.url is not None
    send_chat(letter.url, letter.subject, letter.body, settings.webhook_allowed)
    return Outcome(letter, None)


def _sms(letter: Letter, settings: Settings) -> Outcome:
    assert letter.url is not None
    send_chat(letter.url, "", f"{letter.subject} {letter.link}", settings.webhook_allowed, phone=letter.to)
    return Outcome(letter, None)


_WAYS: dict[str, Callable[[Letter, Settings], Outcome]] = {EMAIL: _email, CHAT: _chat, SMS: _sms, PUSH: send_push}
