"""Take one mail, whichever way it came."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from gateway.files import file_store
from gateway.settings import Settings
from gateway.texts import text
from ticketing.channels.mail_answers import acknowledgement
from ticketing.channels.mail_reading import read_mail
from ticketing.channels.mail_threads import take_mail
from ticketing.channels.tables import Channel, MailMessage


def take(session: Session, settings: Settings, channel: Channel, raw: bytes, now: datetime) -> MailMessage:
    """Read a mail and put it where it belongs; a new request is confirmed. Needs the service role."""
    say = partial(text, str(channel.settings.get("language", "zh")))
    row = take_mail(session, file_store(settings), channel, read_mail(raw), now, say)
    if row.at == now:
        acknowledgement(session, channel, row, now)
    return row
