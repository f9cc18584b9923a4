"""Write to a company that asked to become a partner: confirm the address, what was decided."""

from __future__ import annotations

import logging

from gateway import texts
from gateway.notify.email import NotSent, send_email

log = logging.getLogger(__name__)


def write_to_applicant(smtp_url: str, to: str, language: str, code: str, **facts: str) -> None:
    """Send one mail; what does not go out is logged, never an error: the page said what it could."""
    subject = texts.text(language, f"partner.mail.{code}.subject", **facts)
    body = texts.text(language, f"partner.mail.{code}.body", **facts)
    try:
        send_email(smtp_url, to, subject, body)
    except NotSent as error:
        log.warning("the mail %s to an applicant was not sent: %s", code, error)
