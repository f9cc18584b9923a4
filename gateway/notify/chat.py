"""Send to group channels and to telephones through apprise, and only to services and addresses that are allowed."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import urllib3.util.connection

from assets.base.errors import Invalid
from gateway.notify.contacts import phone_number
from gateway.notify.email import NotSent
from gateway.notify.outgoing import NotAllowed, connect_checked, shut
from gateway.notify.webhook_rules import Networks, reachable

MAX_URL = 2000
TIME_OUT_S = 10.0
TOTAL_S = 25.0  # of one message, however many requests a service needs for it
PHONE = "{phone}"
# Services that speak HTTP alone. What runs programs, reads files or speaks another protocol is not here.
FIXED = frozenset(
    {"wecombot", "dingtalk", "feishu", "lark", "slack", "discord", "tgram", "gchat", "webex", "wxteams", "workflows"}
    | {"pushplus", "schan", "wxpusher", "kook", "line", "zoom", "pagerduty", "opsgenie", "pover", "twist", "flock"}
    | {"twilio", "clicksend", "vonage", "nexmo", "sinch", "plivo", "bulksms", "d7sms", "msgbird", "msg91", "telnyx"}
    | {"infobip", "clickatell", "46elks", "seven", "burstsms", "octopush", "kaleyra", "voipms"}
)
# Those whose host stands in the address: the very address is checked when sending.
HOSTED = frozenset(
    f"{name}{secure}"
    for name in ("json", "form", "xml", "mmost", "rocket", "ntfy", "gotify", "synology", "nctalk", "signal", "bark")
    for secure in ("", "s")
)
SERVICES = FIXED | HOSTED
# They name files of the server, or switch its checks off.
_REFUSED = frozenset({"template", "attach", "attachment", "config", "verify", "cto", "rto", "store", "path", "cert"})
_here = threading.local()
_connect = urllib3.util.connection.create_connection


def check_channel_url(url: str, purpose: str, allowed: Networks = ()) -> str:
    """Return the name of the service that an address is of. Raises Invalid; the address itself is never repeated."""
    if len(url) > MAX_URL or not url.isprintable() or " " in url or not url.isascii():
        raise Invalid("not an address", field="url")
    service = url.partition("://")[0].lower()
    if "://" not in url or service not in SERVICES:
        raise Invalid("no service of that name may be sent to", field="url", allowed=sorted(SERVICES))
    if (purpose == "sms") != (PHONE in url):
        text = "the address for telephones holds {phone}" if purpose == "sms" else "{phone} is for telephones"
        raise Invalid(text, field="url")
    try:
        parts = urlsplit(url)
        asked = {name.lower().lstrip("+-:") for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise Invalid("not an address", field="url") from None
    if refused := asked & _REFUSED:
        raise Invalid(f"?{min(refused)}= is not allowed", field="url")
    if service in HOSTED:
        _check_host(parts.hostname or "", allowed)
    if _instance(url, "+10000000000") is None:
        raise Invalid(f"this is no complete address of {service}", field="url", service=service)
    return service


def _check_host(host: str, allowed: Networks) -> None:
    name = unquote(host).rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        name = "127.0.0.1"
    try:
        literal = ip_address(name)
    except ValueError:
        return  # a name is looked up, and checked, when sending
    if not reachable(literal, allowed):
        raise Invalid("private addresses are not sent to", field="url")


def send_chat(url: str, subject: str, body: str, allowed: Networks, phone: str | None = None) -> None:
    """Send one text. Raises NotSent with what the service said, without the address."""
    number = phone_number(phone) if phone else None
    if PHONE in url and number is None:
        raise NotSent("that is no telephone number")
    channel = _instance(url, number or "")
    if channel is None:
        raise NotSent("the address of the channel is no longer understood")
    with _guarded(allowed) as refused, _listening() as said:
        try:
            sent = channel.notify(body=body, title=subject, body_format="text")
        except Exception as error:
            raise NotSent(_without(url, f"{type(error).__name__}: {error}")) from None
    if refused:
        raise NotSent(refused[0])
    if not sent:
        raise NotSent(_without(url, "; ".join(said)) or "the service did not take it")


def _instance(url: str, phone: str) -> Any:
    import apprise  # a second of a processor's time: only who sends or checks an address pays it

    asset = apprise.AppriseAsset(async_mode=False, plugin_paths=[], storage_mode=apprise.PersistentStoreMode.MEMORY)
    made = apprise.Apprise.instantiate(url.replace(PHONE, quote(phone, safe="")), asset=asset)
    if made is not None:
        made.socket_connect_timeout = made.socket_read_timeout = TIME_OUT_S
        made.request_rate_per_sec = 0  # how many go out a minute is counted where they are claimed
    return made


@contextmanager
def _guarded(allowed: Networks) -> Iterator[list[str]]:
    """Let this thread connect to checked addresses only, and for so long altogether."""
    refused: list[str] = []
    sockets: list[socket.socket] = []
    _here.guard = (allowed, refused, sockets)
    watchdog = threading.Timer(TOTAL_S, _shut_all, [sockets])
    watchdog.start()
    try:
        yield refused
    finally:
        watchdog.cancel()
        _here.guard = None


def _shut_all(sockets: list[socket.socket]) -> None:
    for each in list(sockets):
        shut(each)


def _create_connection(address: tuple[str, int], *args: Any, **more: Any) -> socket.socket:
    """Connect as urllib3 does; a thread that sends notifications connects to checked addresses only."""
    guard = getattr(_here, "guard", None)
    if guard is None:
        return _connect(address, *args, **more)
    allowed, refused, sockets = guard
    try:
        made = connect_checked(address[0].strip("[]"), address[1], allowed, TIME_OUT_S)
    except NotAllowed as error:
        refused.append(str(error))
        raise OSError(str(error)) from None
    sockets.append(made)
    return made


urllib3.util.connection.create_connection = _create_connection


class _Heard(logging.Handler):
    """What apprise says in this thread while it sends."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and len(self.lines) < 5:
            self.lines.append(record.getMessage()[:300])


@contextmanager
def _listening() -> Iterator[list[str]]:
    heard, log = _Heard(), logging.getLogger("apprise")
    log.addHandler(heard)
    try:
        yield heard.lines
    finally:
        log.removeHandler(heard)


def _without(url: str, said: str) -> str:
    """Return what was said without any part of the address that may be a secret."""
    for part in re.split(r"[/?&=:@#]+", url.partition("://")[2]):
        for word in {part, unquote(part)}:
            if len(word) >= 6:
                said = said.replace(word, "…")
    return said
