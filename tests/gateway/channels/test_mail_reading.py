"""Mails as programs of all kinds write them: words, quotes, signatures, charsets, robots (no database)."""

from __future__ import annotations

import random
import time
from email.message import EmailMessage

import pytest

from ticketing.channels.mail_reading import MAX_ATTACHMENTS, read_mail
from ticketing.channels.mail_text import fold, text_of_html


def plain(body: str, charset: str = "utf-8", *headers: str) -> bytes:
    """A mail as older programs write it: eight bits, no encoding."""
    head = ["From: Li <li@dairy.example>", "Subject: x", "Message-ID: <1@dairy.example>", *headers]
    head += ["MIME-Version: 1.0", f"Content-Type: text/plain; charset={charset}", "Content-Transfer-Encoding: 8bit"]
    codec = "gb18030" if charset.startswith("gb") else charset
    return "\r\n".join([*head, "", ""]).encode() + body.encode(codec)


@pytest.mark.parametrize(
    ("charset", "words"),
    [
        ("gb18030", "水泵漏水，㐂𠮷"),  # characters that GB2312 does not have
        ("gb2312", "镕基"),  # nor this one, though mails say so
        ("gbk", "泵在响"),
        ("utf-8", "Übermäßig laut 泵"),
        ("big5", "水泵漏水"),
    ],
)
def test_charsets_are_read(charset: str, words: str) -> None:
    assert read_mail(plain(words, charset)).text == words


@pytest.mark.parametrize("charset", ["nonsense-1", "utf-8\x00", "gb2312; boundary=x", ""])
def test_unknown_charset_is_read_as_well_as_it_goes(charset: str) -> None:
    raw = plain("泵漏水").replace(b"charset=utf-8", f"charset={charset}".encode())
    assert "泵" in read_mail(raw).text


def test_headers_in_any_writing_are_words() -> None:
    raw = plain("x").replace(b"Subject: x", b"Subject: =?GB2312?B?y66xw8Kpy64=?= =?utf-8?Q?_now?=")
    assert read_mail(raw).subject == "水泵漏水 now"
    raw = plain("x").replace(b"Subject: x", "Subject: 水泵".encode("gb18030"))
    assert read_mail(raw).subject == "水泵"
    for prefix in ("Re: ", "RE: Re：", "答复: ", "回复：", "Fwd: AW: ", "转发: "):
        assert read_mail(plain("x").replace(b"Subject: x", f"Subject: {prefix}Pump".encode())).subject == "Pump"


REPLIES = {
    "gmail": "It leaks.\n\nOn Mon, 3 Nov 2025 at 10:00, Desk <service@acme.example> wrote:\n> Hello\n",
    "gmail broken": "It leaks.\n\nOn Mon, 3 Nov 2025 at 10:00, Desk <service@acme.example>\nwrote:\n> Hello\n",
    "outlook": "It leaks.\n\n________________________________\nFrom: Desk <s@a.example>\nSent: Monday\nTo: Li\n\nHello",
    "outlook bare": "It leaks.\n\nFrom: Desk <s@a.example>\nSent: Monday\nSubject: x\n\nHello",
    "foxmail": "It leaks.\n\n发件人： Desk\n发送时间： 2025-11-03\n收件人： li\n\nHello",
    "qq": "It leaks.\n\n------------------ 原始邮件 ------------------\n发件人: Desk\n\nHello",
    "163": "It leaks.\n\n在 2025-11-03 10:00:00，Desk <s@a.example> 写道：\n> Hello",
    "german": "It leaks.\n\nAm 03.11.25 um 10:00 schrieb Desk:\n> Hello",
    "bare quote": "It leaks.\n\n> Hello\n> there",
    "signature": "It leaks.\n\n-- \nLi\nDairy",
    "phone": "It leaks.\n\nSent from my iPhone",
    "phone zh": "It leaks.\n\n发自我的华为手机",
}


@pytest.mark.parametrize("program", REPLIES)
def test_quotes_and_signatures_are_folded_and_not_lost(program: str) -> None:
    shown, folded = fold(REPLIES[program])
    assert shown == "It leaks."
    assert folded.strip()


@pytest.mark.parametrize(
    "body",
    [
        "> Does it leak?\nYes.\n> Where?\nBelow.",  # answers between the lines say nothing without their questions
        "Two things:\n-----------\n1. leak",  # a ruler of one's own
        "From: the pump\nit leaks",
        "> only a quote",
        "On the pump is a leak. My colleague wrote: it is small.",
    ],
)
def test_what_somebody_wrote_stays(body: str) -> None:
    assert fold(body) == (body, "")


def test_html_alone_becomes_words_and_nothing_runs() -> None:
    html = """<html><head><title>no</title><style>p{}</style></head><body><p>It&nbsp;leaks &amp; rattles</p>
    <script>alert(1)</script><div style="display: none">hidden</div><ul><li>one<li>two</ul>
    <a href="javascript:x">here</a><img src=x onerror=alert(1)><table><tr><td>a</td><td>b</td></tr></table>
    <div class="gmail_quote">On Monday Desk wrote: <b>Hello</b></div></body></html>"""
    mail = EmailMessage()
    mail["From"], mail["Subject"], mail["Message-ID"] = "li@dairy.example", "x", "<h@x>"
    mail.set_content(html, subtype="html")
    read = read_mail(mail.as_bytes())
    assert read.text == "It leaks & rattles\n\n- one\n- two\nhere\n\na b"
    assert "Hello" in read.folded
    assert text_of_html("<b>a<br>b") == "a\nb"
    assert text_of_html("<![") in ("", "<![")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Auto-Submitted: auto-replied", "reply"),
        ("Auto-Submitted: auto-generated; x=y", "reply"),
        ("Auto-Submitted: no", None),
        ("Precedence: bulk", "list"),
        ("X-Autoreply: yes", "reply"),
        ("List-Id: <x.example>", "list"),
        ("Return-Path: <>", "bounce"),
        ("Return-Path: <li@dairy.example>", None),
        ("X-Failed-Recipients: x@y.example", "bounce"),
        ("X-Forewarn-Channel: 1", "own"),
    ],
)
def test_what_a_program_wrote_is_known(header: str, said: str | None) -> None:
    assert read_mail(plain("I am away", "utf-8", header)).automatic == said


@pytest.mark.parametrize("sender", ["MAILER-DAEMON@x.example", "no-reply@x.example", "noreply+1@x.example", ""])
def test_robots_are_known_by_their_address(sender: str) -> None:
    assert read_mail(plain("x").replace(b"Li <li@dairy.example>", sender.encode())).automatic == "robot"


def test_attachments_have_safe_names_and_bounds() -> None:
    mail = EmailMessage()
    mail["From"] = "li@dairy.example"
    mail.set_content("see")
    mail.add_attachment(b"\x89PNG" + b"0" * 90, maintype="image", subtype="png", filename="../../etc/泵\x00.png")
    for number in range(MAX_ATTACHMENTS + 3):
        mail.add_attachment(b"x", maintype="application", subtype="pdf", filename=f"{number}.pdf")
    read = read_mail(mail.as_bytes())
    assert read.attachments[0].name == "泵.png"
    assert len(read.attachments) == MAX_ATTACHMENTS
    assert len(read.left_out) == 4
    assert read.text == "see"


def test_mail_without_an_id_has_one_by_its_content() -> None:
    raw = b"From: a@b.example\n\nhello"
    assert read_mail(raw).message_id == read_mail(raw).message_id != read_mail(raw + b"!").message_id


def test_whatever_comes_is_read_and_nothing_in_it_cannot_be_stored() -> None:
    """Bytes at random, cut and mixed from mails that are sound."""
    chance = random.Random(4)
    seeds = [plain(REPLIES["qq"], "gb18030"), plain("x\x00y"), bytes(chance.randrange(256) for _ in range(2000))]
    seeds += [b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 500, b"From: " + b"a" * 5000, b"", b"\x00"]
    nested = b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n"
    seeds.append(b"".join(nested % (each, each) for each in range(60)))
    began = time.monotonic()
    for _ in range(400):
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(20)):
            if raw:
                raw[chance.randrange(len(raw))] = chance.randrange(256)
        read = read_mail(bytes(raw))
        for words in (read.text, read.folded, read.subject, read.name, read.message_id, *read.references):
            words.encode()
            assert "\0" not in words
    assert time.monotonic() - began < 60


def test_patterns_take_no_long_time_on_hostile_words() -> None:
    for words in ("on " + "a" * 100_000, "-" * 100_000, ">" * 100_000, "发件人：" * 50_000, ("on \n" * 50_000)):
        fold(words)
    text_of_html("<div>" * 50_000)
    text_of_html("<" * 100_000)
