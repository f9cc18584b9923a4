"""Mail in and out: a request, its thread, its files, no loops, one mailbox over IMAP (001-08, 003-01, 003-04)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from assets.base.consumers import run_consumer
from gateway.files import file_store
from gateway.mail.polling import poll_mailboxes
from gateway.mail.sending import send_answers
from gateway.settings import Settings
from tests.gateway.channels.conftest import Known, Signed, ok
from tests.gateway.channels.imap_server import ImapServer
from tests.gateway.conftest import Plant
from ticketing.channels.mail_answers import MAIL_FOLLOWS_THREADS, MAX_ACKNOWLEDGED
from ticketing.channels.mail_threads import MAX_NEW
from ticketing.channels.tables import Channel, MailMessage

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db0"
    "0000000049454e44ae426082"
)


def mail(text: str, message_id: str, **more: Any) -> EmailMessage:
    """A mail of the dairy's."""
    made = EmailMessage()
    made["From"] = more.pop("sender", "Li Wei <li@dairy.example>")
    made["To"] = "service@acme.example"
    made["Subject"] = more.pop("subject", "Pump leaks")
    made["Message-ID"] = f"<{message_id}>"
    files = more.pop("files", ())
    for name, value in more.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    for name, content in files:
        made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made


def send(mailbox: Signed, sent: EmailMessage) -> dict[str, Any]:
    """Send a mail in as a mail server does."""
    return dict(ok(mailbox.send(sent.as_bytes())))


def rows(plant: Plant, direction: str) -> list[MailMessage]:
    with plant.database.as_service() as session:
        wanted = select(MailMessage).where(MailMessage.direction == direction).order_by(MailMessage.id)
        found = list(session.scalars(wanted))
        session.expunge_all()
        return found


class Outside:
    """A mail server that keeps what it is given; only as much of SMTP as that takes."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                talk, _ = self._listening.accept()
            except OSError:
                return
            with talk, talk.makefile("rwb") as lines:
                self._talk(partial(self._say, lines), lines)

    @staticmethod
    def _say(lines: Any, words: str) -> None:
        lines.write(f"{words}\r\n".encode())
        lines.flush()

    def _talk(self, say: Any, lines: Any) -> None:
        say("220 here")
        for line in lines:
            word = line[:4].upper()
            if word == b"DATA":
                say("354 go on")
                body = b""
                while (more := lines.readline()) not in (b".\r\n", b""):
                    body += more.removeprefix(b".")
                parsed = message_from_bytes(body, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                self.got.append(parsed)
            say("221 bye" if word == b"QUIT" else "250 fine")
            if word == b"QUIT":
                return


@pytest.fixture
def outside() -> Iterator[Outside]:
    server = Outside()
    yield server
    server.stop()


def deliver(plant: Plant, outside: Outside) -> list[EmailMessage]:
    """Send what waits; return what arrived by this."""
    run_consumer(plant.database, MAIL_FOLLOWS_THREADS, datetime.now(UTC))
    settings = plant.app.state.settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{outside.port}"})
    before = len(outside.got)
    send_answers(plant.database, file_store(settings), settings, datetime.now(UTC) + timedelta(seconds=1))
    return outside.got[before:]


def test_mail_becomes_a_request_and_the_conversation_one_thread(
    plant: Plant, desk: TestClient, mailbox: Signed, known: Known, outside: Outside
) -> None:
    """003-01, 003-04: customer and desk write in one thread, each in their own program; internal notes stay inside."""
    files = [("leak.png", PNG), ("run.exe", b"MZ" + b"\0" * 50)]
    send(mailbox, mail("PUMP-77 leaks.\n\n-- \nLi", "m1@dairy.example", files=files))
    [case] = ok(desk.get("/api/v1/triage?list=claim"))["items"]
    assert (case["channel"], case["title"], case["contact_email"]) == ("e_mail", "Pump leaks", "li@dairy.example")
    assert (case["customer"]["name"], case["asset"]["serial"]) == ("Dairy", "PUMP-77")  # by address, by serial number
    kept = ok(desk.get(f"/api/v1/cases/{case['id']}/files"))["items"]
    assert [(each["file_name"], each["media_type"]) for each in kept] == [("leak.png", "image/png")]
    [note] = ok(desk.get(f"/api/v1/cases/{case['id']}/messages"))["items"]
    assert note["visibility"] == "internal"
    assert "run.exe" in note["text"]

    [confirmed] = deliver(plant, outside)
    assert confirmed["Auto-Submitted"] == "auto-replied"
    assert confirmed["In-Reply-To"] == "<m1@dairy.example>"
    assert case["number"] in confirmed["Subject"]

    ok(desk.post(f"/api/v1/cases/{case['id']}/messages", json={"text": "secret", "visibility": "internal"}), 201)
    ok(desk.post(f"/api/v1/cases/{case['id']}/messages", json={"text": "We come at ten."}), 201)
    [answer] = deliver(plant, outside)
    assert answer.get_content().strip() == "We come at ten."
    assert answer["From"] == "Mail <service@acme.example>"
    assert answer["To"] == "li@dairy.example"
    assert answer["Auto-Submitted"] is None
    assert answer["References"].split() == ["<m1@dairy.example>", confirmed["Message-ID"]]
    assert deliver(plant, outside) == []

    back = mail("Fine.\n\nOn Mon, Desk <s@a.example> wrote:\n> We come", "m2@dairy.example", subject="AW: hm")
    back["In-Reply-To"] = answer["Message-ID"]
    assert send(mailbox, back) == send(mailbox, back) | {"repeated": False}  # the same mail twice: once
    said = ok(desk.get(f"/api/v1/cases/{case['id']}/messages"))["items"]
    assert [each["text"] for each in said][-1] == "Fine."
    assert said[-1]["folded"].endswith("> We come")
    assert len(ok(desk.get("/api/v1/cases"))["items"]) == 1
    # By the number in the subject too, from somebody who follows the case; not from anybody else.
    send(mailbox, mail("And loud.", "m3@dairy.example", subject=f"New mail [{case['number']}]"))
    assert ok(desk.get(f"/api/v1/cases/{case['id']}/messages"))["items"][-1]["text"] == "And loud."
    send(mailbox, mail("Me too!", "z@spy.example", subject=f"[{case['number']}]", sender="spy@spy.example"))
    both = ok(desk.get("/api/v1/cases"))["items"]
    assert len(both) == 2
    unknown = next(each for each in both if each["id"] != case["id"])
    assert (unknown["customer"], unknown["contact_email"]) == (None, "spy@spy.example")


def test_programs_are_never_answered(plant: Plant, desk: TestClient, mailbox: Signed, outside: Outside) -> None:
    """Two programs that answer each other stop at once: neither an out-of-office, a list, a bounce nor one's own."""
    heads: list[dict[str, str]] = [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"Return_Path": "<>"},
        {"X_Forewarn_Channel": "1"},
        {"sender": "service@acme.example"},
        {"sender": "MAILER-DAEMON@x.example"},
    ]
    for number, head in enumerate(heads):
        assert send(mailbox, mail("I am away", f"a{number}@x.example", **head))["state"] == "ignored"
    assert ok(desk.get("/api/v1/cases"))["items"] == []
    assert deliver(plant, outside) == []

    # A person gets confirmations, but a handful a day at most; what is beyond the bound is noted.
    states = [send(mailbox, mail("x", f"p{number}@x.example", subject=str(number)))["state"] for number in range(12)]
    assert states == ["taken"] * MAX_NEW + ["refused"] * (12 - MAX_NEW)
    assert len(deliver(plant, outside)) == MAX_ACKNOWLEDGED


def test_mail_that_comes_back_is_noted_on_its_case(
    plant: Plant, desk: TestClient, mailbox: Signed, outside: Outside
) -> None:
    send(mailbox, mail("It leaks", "m1@dairy.example"))
    [case] = ok(desk.get("/api/v1/cases"))["items"]
    ok(desk.post(f"/api/v1/cases/{case['id']}/messages", json={"text": "When?"}), 201)
    answer = deliver(plant, outside)[-1]
    bounce = mail("no such user", "b1@x.example", sender="MAILER-DAEMON@x.example", Return_Path="<>")
    bounce["In-Reply-To"] = answer["Message-ID"]
    for _ in range(2):
        assert send(mailbox, bounce)["state"] == "ignored"
    notes = [each["text"] for each in ok(desk.get(f"/api/v1/cases/{case['id']}/messages"))["items"]]
    assert notes[-1] == "A mail to li@dairy.example could not be delivered."
    assert "bounced" in [each.state for each in rows(plant, "out")]


def test_customers_read_no_other_mail_and_long_ones_are_kept_whole(
    plant: Plant, desk: TestClient, mailbox: Signed
) -> None:
    send(mailbox, mail("long " * 5000, "m1@dairy.example"))
    [case] = ok(desk.get("/api/v1/cases"))["items"]
    [whole] = ok(desk.get(f"/api/v1/cases/{case['id']}/files"))["items"]
    content = desk.get(f"/api/v1/case-files/{whole['id']}/file")
    assert len(content.text) > 20_000
    stranger = plant.client(plant.token(plant.stranger))
    assert stranger.get(f"/api/v1/case-files/{whole['id']}/file").status_code == 404
    assert stranger.get(f"/api/v1/cases/{case['id']}/files").status_code == 404
    for body in (b"", b"\r\n", b"\0" * 100, b"no mail at all"):
        assert mailbox.send(body).status_code in (200, 422)


def test_mailbox_is_read_over_imap_once_and_from_where_it_was(
    plant: Plant, desk: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImapServer("service", "secret") as box:
        box.add(mail("old", "old@x.example").as_bytes())
        imap = {"imap_host": "127.0.0.1", "imap_port": box.port, "imap_user": "service", "imap_security": "none"}
        sent = {"kind": "mail", "name": "M", "mail": {"address": "s@acme.example", **imap}, "password": "secret"}
        made = ok(desk.post("/api/v1/channels", json=sent), 201)
        assert "secret" not in str({key: value for key, value in made.items() if key != "secret"})
        now = datetime.now(UTC)
        settings = Settings(database_url="postgresql://x@y/z", data=plant.app.state.settings.data)

        def poll(minutes: int) -> int:
            return poll_mailboxes(plant.database, settings, now + timedelta(minutes=minutes))

        assert poll(0) == 0  # an address of the inside, and nobody allowed it
        assert "private" in ok(desk.get(f"/api/v1/channels/{made['id']}"))["error"]
        settings = settings.model_copy(update={"webhook_networks": "127.0.0.0/8"})
        assert poll(1) == 0  # what was there before stays there
        box.add(mail("It leaks", "n1@x.example").as_bytes())
        box.add(mail("It rattles", "n2@x.example", subject="Rattle").as_bytes())
        assert poll(1) == 0  # not due yet
        assert poll(2) == 2
        assert poll(3) == 0
        assert box.seen == {2, 3}
        box.renumber()  # everything has a new number: looked through again, taken by id once
        box.add(mail("It smells", "n3@x.example", subject="Smell").as_bytes())
        poll(4)
        assert {each["title"] for each in ok(desk.get("/api/v1/cases"))["items"]} >= {"Pump leaks", "Rattle", "Smell"}
        with plant.database.as_service() as session:
            ids = list(session.scalars(select(MailMessage.message_id).where(MailMessage.direction == "in")))
            assert len(ids) == len(set(ids))
            assert session.get_one(Channel, made["id"]).error is None
        box.password = "another"
        assert poll(6) == 0
        assert "error" in ok(desk.get(f"/api/v1/channels/{made['id']}"))["error"]
    poll(8)  # nobody there
    assert ok(desk.get(f"/api/v1/channels/{made['id']}"))["error"]
