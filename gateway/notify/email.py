"""Send one e-mail over the SMTP server of the settings."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

TIME_OUT_S = 15  # a server that does not answer must not hold up the queue


class NotSent(Exception):
    """The message did not go out; the text says why."""


def send_email(
    smtp_url: str,
    to: str,
    subject: str,
    body: str,
    attached: Sequence[tuple[str, str, bytes]] = (),
    *,
    opt_out: str | None = None,
) -> None:
    """Send a plain text. `smtp://USER:PASSWORD@HOST:587?from=…` with STARTTLS where offered, or `smtps://…:465`.

    `attached` are (name, media type, content); `opt_out` is where whoever gets it says stop. Raises NotSent.
    """
    parts = urlsplit(smtp_url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise NotSent("FOREWARN_SMTP_URL must be smtp://… or smtps://…")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    sender = parse_qs(parts.query).get("from", [user if "@" in user else f"forewarn@{parts.hostname}"])[0]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, " ".join(subject.split())
    if opt_out and opt_out.startswith(("https://", "http://")):
        message["List-Unsubscribe"] = f"<{opt_out}>"
    message.set_content(body)
    for name, media_type, content in attached:
        kind, _, sort = media_type.partition("/")
        message.add_attachment(content, maintype=kind, subtype=sort, filename=name)
    try:
        with _connection(parts.scheme, parts.hostname, parts.port) as server:
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if user:
                server.login(user, password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"{type(error).__name__}: {error}") from error


def _connection(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIME_OUT_S, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port or 587, timeout=TIME_OUT_S)
    server.ehlo()
    return server
