"""Read a mail as it is on the wire: who, about what, its words and files, and whether a program wrote it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from ticketing.channels.mail_text import fold, readable, text_of_html

MAX_MAIL = 25 * 1024 * 1024  # bytes of one mail, on the wire
MAX_PARTS = 200
MAX_DEPTH = 20
MAX_WORDS = 400_000  # characters of a body that are looked at
MAX_ATTACHMENTS = 20
MAX_ATTACHED = 20 * 1024 * 1024
MAX_REFERENCES = 50
MAX_ID = 500
MAX_SUBJECT = 300
MAX_ADDRESS = 320
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError, MessageError)
LOOP = "X-Forewarn-Channel"  # in what this server sends: what comes back is not read again
_ID = re.compile(r"<[^<>\s]{1,498}>")
_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")
_REPLY = re.compile(
    r"^\s*(?:(?:re|aw|sv|fw|fwd|wg|tr|答复|回复|回覆|转发|轉寄|轉發)\s*(?:\[\d+\])?\s*[:：]\s*)+", re.IGNORECASE
)
_PROGRAMS = re.compile(
    r"^(?:mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounce[sd]?)(?:[+\-=].*)?@", re.IGNORECASE
)
_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
# One of each family is a superset of the others; mails name the smaller one and use the larger one.
_CHARSETS = {"gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030"}
_CHARSETS |= {"iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "utf-8", "ascii": "utf-8", "big5": "big5hkscs"}


@dataclass(frozen=True, slots=True)
class Attached:
    """One attachment."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says. `automatic`: why no person wrote it: reply, list, bounce, own, robot, unreadable; else None."""

    message_id: str
    in_reply_to: str | None
    references: tuple[str, ...]
    subject: str
    sender: str | None
    name: str
    at: datetime | None
    text: str
    folded: str
    attachments: tuple[Attached, ...]
    left_out: tuple[str, ...]
    automatic: str | None
    about: tuple[str, ...] = ()  # what a bounce says came back


def read_mail(raw: bytes) -> Mail:
    """Return what a mail says; what cannot be read at all comes back as `unreadable`, and never as an error."""
    raw = raw.replace(b"\0", b"")
    try:
        return _read(raw)
    except _BROKEN:  # the standard library's own reader gives up on some
        name = f"<{hashlib.sha256(raw).hexdigest()}@unreadable.invalid>"
        return Mail(name, None, (), "", None, "", None, "", "", (), (), "unreadable")


def _read(raw: bytes) -> Mail:
    message = message_from_bytes(raw)  # the lenient reader: headers are decoded here, one by one
    sender, name = _sender(message)
    parts = list(_parts(message))
    text, folded = fold(_body(parts))
    attachments, left_out = _attachments(parts)
    ids = _ids(message, "References")
    return Mail(
        message_id=_own_id(message, raw),
        in_reply_to=next(iter(_ids(message, "In-Reply-To")), None),
        references=tuple(ids[-MAX_REFERENCES:]),
        subject=_REPLY.sub("", header(message, "Subject"))[:MAX_SUBJECT].strip(),
        sender=sender,
        name=name,
        at=_date(message),
        text=text,
        folded=folded,
        attachments=attachments,
        left_out=left_out,
        automatic=_automatic(message, sender),
        about=tuple(_returned(parts)) if _is_report(message) else (),
    )


def header(message: Message, name: str) -> str:
    """Return a header in plain words; what cannot be decoded is read as well as it goes."""
    # As it stands on the wire: `get` would put a sign in place of each byte that no rule allows.
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)
    if raw is None:
        return ""
    words = []
    try:
        pieces = decode_header(str(raw)[:4000])
    except (MessageError, ValueError):
        pieces = [(str(raw)[:4000], None)]
    for piece, charset in pieces:
        words.append(decoded(piece, charset) if isinstance(piece, bytes) else _raw(piece))
    return readable(" ".join("".join(words).split()))


def decoded(content: bytes, charset: str | None) -> str:
    """Return bytes as text in the charset that is named, else in the first that fits."""
    named = (charset or "").strip().strip('"').lower()
    for each in (_CHARSETS.get(named, named) or "utf-8", "utf-8", "gb18030"):
        try:
            return content.decode(each)
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return content.decode("utf-8", errors="replace")


def _raw(piece: str) -> str:
    """Headers with bytes that no rule allows are written by old programs: in UTF-8 or GB18030."""
    if piece.isascii():
        return piece
    return decoded(piece.encode("utf-8", errors="surrogateescape"), None)


def _sender(message: Message) -> tuple[str | None, str]:
    """Return address and name of who wrote; where answers are wanted elsewhere does not matter: that is not known."""
    for name in ("From", "Sender"):
        for spoken, address in getaddresses([header(message, name)]):
            if _ADDRESS.fullmatch(address) and len(address) <= MAX_ADDRESS:
                return address.lower(), spoken.strip()[:200]
    return None, ""


def _own_id(message: Message, raw: bytes) -> str:
    """Return the mail's id; one without gets one by its content, so that the same mail is the same."""
    found = next(iter(_ids(message, "Message-ID")), None)
    return found or f"<{hashlib.sha256(raw).hexdigest()}@no-message-id.invalid>"


def _ids(message: Message, name: str) -> list[str]:
    said = " ".join(str(each) for each in message.get_all(name, []))[:20_000]
    return [readable(each)[:MAX_ID] for each in _ID.findall(said)]


def _date(message: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(message.get("Date", "")))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None else None


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Yield what is no container, bounded; a mail within a mail is one attachment."""
    waiting: list[tuple[Message, int]] = [(message, depth)]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part, level = waiting.pop(0)
        seen += 1
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            if level < MAX_DEPTH:
                waiting[:0] = [(each, level + 1) for each in inner[:MAX_PARTS] if isinstance(each, Message)]
            continue
        yield part


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return inner[0].as_bytes()
    return b""


def _is_body(part: Message) -> bool:
    named = part.get_filename() or part.get_content_disposition() == "attachment"
    return part.get_content_type() in ("text/plain", "text/html") and not named


def _body(parts: list[Message]) -> str:
    """Return the plain words, those of the HTML where there are no others."""
    for kind in ("text/plain", "text/html"):
        found = [
            decoded(_content(part)[: MAX_WORDS * 4], part.get_content_charset())[:MAX_WORDS]
            for part in parts
            if part.get_content_type() == kind and _is_body(part)
        ]
        said = "\n".join(found if kind == "text/plain" else [text_of_html(each) for each in found])[:MAX_WORDS]
        if said.strip():
            return readable(said)
    return ""


def _attachments(parts: list[Message]) -> tuple[tuple[Attached, ...], tuple[str, ...]]:
    """Return the files and the names of those that are too many or too large; not the pictures of a signature."""
    kept: list[Attached] = []
    left: list[str] = []
    size = 0
    for part in parts:
        if _is_body(part) or part.get_content_type() in ("message/delivery-status", "text/calendar"):
            continue
        name = _file_name(part)
        content = _content(part)
        drawn = part.get_content_disposition() != "attachment" and part.get("Content-ID") and len(content) < 15_000
        if drawn or not content:
            continue
        if len(kept) >= MAX_ATTACHMENTS or size + len(content) > MAX_ATTACHED:
            left.append(name)
            continue
        size += len(content)
        kept.append(Attached(name, content))
    return tuple(kept), tuple(left)


def _file_name(part: Message) -> str:
    raw = part.get_filename()
    name = header(_named(str(raw)), "N") if raw else ""
    last = re.split(r"[\\/]", name)[-1]
    plain = "".join(each for each in last if each.isprintable() and each not in '<>:"|?*').strip(". ")
    extension = {"image/jpeg": ".jpg", "image/png": ".png", "application/pdf": ".pdf", "message/rfc822": ".txt"}
    return plain[-150:] or f"attachment{extension.get(part.get_content_type(), '')}"


def _named(value: str) -> Message:
    made = Message()
    made["N"] = " ".join(value.split())
    return made


def _is_report(message: Message) -> bool:
    return message.get_content_type() == "multipart/report" or bool(message.get("X-Failed-Recipients"))


def _automatic(message: Message, sender: str | None) -> str | None:
    if message.get(LOOP):
        return "own"
    if _is_report(message) or str(message.get("Return-Path", "")).strip() == "<>":
        return "bounce"
    if str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower() not in ("no", ""):
        return "reply"
    if str(message.get("Precedence", "")).strip().lower() in _PRECEDENCE:
        return "list"
    if message.get("X-Autoreply") or message.get("X-Autorespond") or message.get("X-Auto-Reply"):
        return "reply"
    if message.get("List-Id") or message.get("List-Unsubscribe"):
        return "list"
    return "robot" if sender is None or _PROGRAMS.match(sender) else None


def _returned(parts: list[Message]) -> Iterator[str]:
    """Yield the ids that a bounce names: those of the mail that came back."""
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            yield from _ID.findall(_content(part)[:20_000].decode("latin-1"))[:20]
