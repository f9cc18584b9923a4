"""Certificates with everything real: Mosquitto over mTLS, the HTTP API, ingest, the agent as a process of its own."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from edge_agent.identity import pending_request
from edge_agent.renewal import renew
from gateway.supervise.mosquitto import SERVICE_USER, hash_password
from gateway.supervise.postgres import EmbeddedPostgres
from ingest.identity_models import DeviceCertificate
from tests.conftest import _database_maker, is_repeated
from tests.gateway.place import Place, config_of, now, open_place
from tests.ingest.support import query, wait_until

OWN = "forewarn/v1"
MAY_WRITE = ["telemetry", "senml", "waveform", "status", "describe", "config/reported", "command/42/result", "time"]
MAY_READ = ["ack", "config", "command/42", "time/reply"]
REVOKED_S = 10.0


@pytest.fixture(scope="module")
def everything(cluster: EmbeddedPostgres, empty_template: str, migrated_template: str) -> Iterator[Place]:
    for make in _database_maker(cluster, empty_template):
        with ExitStack() as stack:
            yield open_place(stack, make(migrated_template))


@pytest.fixture
def place(
    everything: Place, request: pytest.FixtureRequest, make_database: Callable[..., str], migrated_template: str
) -> Iterator[Place]:
    """The shared place, or one of its own for a test that is run again: its devices are registered in the other."""
    with ExitStack() as stack:
        found = open_place(stack, make_database(migrated_template)) if is_repeated(request) else everything
        yield found
        found.tidy()


def test_from_a_blank_device_to_the_first_row_in_under_a_minute(place: Place, tmp_path: Path) -> None:
    device_id, code = place.add("blank-1")
    config = tmp_path / "edge" / "config.toml"
    begun = time.monotonic()
    claimed = place.agent("claim", f"{place.base}/claim/{code}", "--config", str(config), "--json")
    printed = json.loads(claimed.communicate(timeout=60)[0])
    assert printed["mode"] == "certificate"
    written = config.read_text().replace("interval_seconds = 10", "interval_seconds = 1")
    config.write_text(written.replace("/var/lib/forewarn-edge", str(tmp_path)))
    place.agent("run", "--config", str(config))
    wait_until(lambda: place.rows("blank-1") > 0, 60)
    seconds = time.monotonic() - begun
    assert seconds < 60
    print(f"blank to first row: {seconds:.1f} s")
    assert place.identity(device_id)["mode"] == "certificate"
    key = config.parent / "identity.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" in key.read_text()
    assert query(place.url, "SELECT password_hash FROM devices WHERE serial = 'blank-1'") == [(None,)]


def test_device_writes_and_reads_what_the_contract_says_and_nothing_else(place: Place) -> None:
    known, other = place.claim("acl-1"), place.claim("acl-2")
    device = place.peer(known.file)
    assert device.is_admitted()
    assert all(device.may_publish(f"{OWN}/acl-1/{branch}") for branch in MAY_WRITE)
    forbidden = [f"{OWN}/acl-1/{branch}" for branch in MAY_READ] + [f"{OWN}/acl-2/{b}" for b in MAY_WRITE + MAY_READ]
    assert not any(device.may_publish(topic) for topic in [*forbidden, f"{OWN}/acl-1/telemetry/x", "spBv1.0/x", "x"])
    device.client.subscribe([("#", 1), (f"{OWN}/+/ack", 1), (f"{OWN}/acl-2/#", 1), (f"{OWN}/acl-1/#", 1)])
    second = place.peer(other.file)
    second.client.subscribe(f"{OWN}/acl-2/ack", 1)
    assert second.is_admitted()
    second.may_publish(f"{OWN}/acl-2/telemetry", b'{"x": 1}')
    device.may_publish(f"{OWN}/acl-1/telemetry", b'{"boot": "b", "seq": 1, "first": 0, "n": 0, "samples": []}')
    wait_until(lambda: any(topic == f"{OWN}/acl-1/ack" for topic, _ in device.got))
    assert not [topic for topic, _ in device.got if "acl-2" in topic or topic.endswith(("telemetry", "status"))]


def test_certificate_counts_only_with_its_key_and_names_only_its_device(place: Place) -> None:
    known = place.claim("only-1")
    # The name of a device with a certificate, and of the service, without one.
    from tests.gateway.test_supervise_mosquitto import Peer as PlainPeer

    plain = f"127.0.0.1:{place.broker.port}"
    for user in ("only-1", "nobody"):
        peer = PlainPeer(f"mqtt://{user}:x@{plain}")
        assert not peer.is_admitted()
        peer.close()
    # No certificate at all, and one of another authority.
    context = ssl.create_default_context(cadata=place.authority.pem)
    with pytest.raises((ssl.SSLError, ConnectionError)):  # noqa: PT012
        import socket

        with socket.create_connection(("127.0.0.1", place.broker.tls_port), 5) as plain_socket:
            secured = context.wrap_socket(plain_socket, server_hostname="127.0.0.1")
            secured.sendall(b"\x10\x00")
            if not secured.recv(1):
                raise ConnectionError("closed")
    # A foreign client id changes nothing: the broker takes the certificate's name.
    first = place.peer(known.file)
    assert first.is_admitted()
    assert place.peer(known.file, client_id="somebody else").is_admitted()
    assert first.ended.wait(10)


@pytest.mark.parametrize("serial", ["水泵-7", "Müller #3".replace("#", "No"), "x" * 64, "a b.c-d_e"])
def test_serials_of_any_script_connect(place: Place, serial: str) -> None:
    known = place.claim(serial)
    device = place.peer(known.file)
    assert device.is_admitted()
    assert device.may_publish(f"{OWN}/{serial}/telemetry", b'{"x": 1}')
    wait_until(lambda: place.rows(serial) == 1)


def test_revocation_is_effective_within_ten_seconds_also_for_who_is_connected(place: Place) -> None:
    known, bystander = place.claim("revoke-1"), place.claim("revoke-2")
    device, other = place.peer(known.file, session=True), place.peer(bystander.file)
    assert device.is_admitted()
    assert other.is_admitted()
    begun = time.monotonic()
    revoked = place.post(f"/api/v1/devices/{known.id}/revoke", {"reason": "stolen"})
    assert revoked["revoked_at"]
    assert device.ended.wait(REVOKED_S)
    out_after = time.monotonic() - begun
    wait_until(lambda: not place.peer(known.file).is_admitted(), REVOKED_S - out_after, step=0.5)
    refused_after = time.monotonic() - begun
    assert refused_after < REVOKED_S
    print(f"revoked: out after {out_after:.2f} s, refused after {refused_after:.2f} s")
    if other.ended.is_set():  # a broker that must not be signalled is restarted: who was not revoked is let in again
        wait_until(lambda: place.peer(bystander.file).is_admitted(), 15, step=0.5)
    place.post(f"/api/v1/devices/{known.id}/reinstate")
    wait_until(lambda: place.peer(known.file).is_admitted(), 15, step=0.5)


def test_revoked_device_with_a_password_is_out_over_mqtt_and_https(place: Place) -> None:
    from tests.gateway.test_supervise_mosquitto import Peer as PlainPeer

    device_id, code = place.add("pw-1")
    answer = httpx.post(f"{place.base}/api/v1/devices/claim", json={"code": code}).json()
    assert (answer["mode"], answer["certificate"]) == ("password", None)
    address = f"mqtt://pw-1:{answer['password']}@127.0.0.1:{place.broker.port}"

    def connected() -> PlainPeer:
        for _ in range(50):  # a broker that must not be signalled is restarted instead
            with suppress(ConnectionRefusedError):
                return PlainPeer(address)
            time.sleep(0.2)
        raise AssertionError("the broker is not there")

    def admitted() -> bool:
        peer = connected()
        found = peer.is_admitted()
        peer.close()
        return found

    wait_until(admitted, step=0.3)
    device = connected()
    assert device.is_admitted()

    def post() -> int:
        headers = {"Authorization": f"Bearer {answer['password']}"}
        return httpx.post(f"{place.base}/api/v1/devices/pw-1/telemetry", json={"x": 1}, headers=headers).status_code

    assert post() == 200
    begun = time.monotonic()
    place.post(f"/api/v1/devices/{device_id}/revoke")
    assert post() == 401
    assert device.until(lambda: "disconnected" in device.answers, REVOKED_S)
    print(f"password revoked: out after {time.monotonic() - begun:.2f} s")
    assert not admitted()
    device.close()


def test_rotation_keeps_both_for_the_overlap_and_then_refuses_the_old(place: Place) -> None:
    known = place.claim("rotate-1")
    old = known.folder / "old.pem"
    shutil.copy(known.file, old)
    place.agent("run", "--config", str(config_of(known, place)))
    wait_until(lambda: place.rows("rotate-1") > 0)
    before = place.identity(known.id)
    begun = time.monotonic()
    assert place.post(f"/api/v1/devices/{known.id}/rotate")["mode"] == "certificate"
    wait_until(lambda: place.identity(known.id)["previous"] is not None, 40, step=0.3)
    print(f"rotation: the new certificate in use after {time.monotonic() - begun:.1f} s")
    after = place.identity(known.id)
    assert after["previous"]["fingerprint"] == before["fingerprint"] != after["fingerprint"]
    shutil.copy(known.file, new := known.folder / "new.pem")
    assert place.peer(old).is_admitted()  # each throws the other out, and both are let in
    assert place.peer(new).is_admitted()
    with place.database.as_service() as session:
        previous = session.scalar(
            select(DeviceCertificate).where(DeviceCertificate.fingerprint == before["fingerprint"])
        )
        assert previous is not None
        assert previous.retires_at is not None
        assert previous.retires_at > now() + timedelta(days=6)
        previous.retires_at = now()
    wait_until(lambda: not place.peer(old).is_admitted(), 15, step=0.5)
    wait_until(lambda: place.peer(new).is_admitted(), step=0.5)


def test_due_renewal_is_asked_for_by_the_servers_clock(place: Place) -> None:
    known = place.claim("due-1")
    with place.database.as_service() as session:
        certificate = session.scalar(select(DeviceCertificate).where(DeviceCertificate.device_serial == "due-1"))
        assert certificate is not None
        certificate.renew_at = now()
    asked = "SELECT count(*) FROM device_commands c JOIN devices d ON d.id = c.device_id WHERE serial = 'due-1'"
    wait_until(lambda: query(place.url, asked + " AND sent_at IS NOT NULL")[0][0] == 1)
    with place.database.as_service() as session:  # that was a minute ago, while the device was away
        session.execute(text("UPDATE device_commands SET sent_at = sent_at - interval '1 minute'"))
    before = known.file.read_bytes()
    place.agent("run", "--config", str(config_of(known, place)))
    wait_until(lambda: known.file.read_bytes() != before, 60)
    wait_until(lambda: place.identity(known.id)["previous"] is not None, 40, step=0.3)
    assert query(place.url, asked)[0][0] == 1


def test_lost_answer_of_a_renewal_is_given_again_and_nobody_else_can_ask(place: Place) -> None:
    known, thief = place.claim("lost-1"), place.claim("lost-2")
    shutil.copy(known.file, old := known.folder / "old.pem")
    first = renew(known.folder, "lost-1", place.base, None)
    # The answer did not arrive: the old file and the key that waited are what is there.
    key = "".join(known.file.read_text().partition("-----BEGIN PRIVATE")[1:]).partition("-----BEGIN CERT")[0]
    (known.folder / "identity.key.new").write_text(key)
    shutil.copy(old, known.file)
    assert renew(known.folder, "lost-1", place.base, None) == first
    assert query(place.url, "SELECT count(*) FROM device_certificates WHERE device_serial = 'lost-1'") == [(2,)]
    body = {"serial": "lost-1", "csr": pending_request(thief.folder), "signature": "AAAA"}
    assert httpx.post(f"{place.base}/api/v1/devices/renew", json=body).json()["code"] == "renewal_refused"


def test_clones_are_both_named_and_neither_comes_back_faster_than_once_a_minute(place: Place) -> None:
    known = place.claim("twin-1")
    for name in ("a", "b"):
        copied = known.folder / name
        copied.mkdir()
        for file in (known.file, known.folder / "ca.pem"):
            shutil.copy(file, copied)
        written = config_of(known, place).read_text().replace("agent.spool", f"{name}/agent.spool")
        (copied / "config.toml").write_text(written)
        place.agent("run", "--config", str(copied / "config.toml"))
    begun = time.monotonic()
    wait_until(lambda: place.identity(known.id)["clone_suspected"] is not None, 60, step=0.3)
    found_after = time.monotonic() - begun
    suspicion = place.identity(known.id)["clone_suspected"]
    assert len(suspicion["addresses"]) == 2
    assert all(address.startswith("127.0.0.1") for address in suspicion["addresses"])
    events = query(
        place.url, "SELECT payload FROM events WHERE kind = 'device.clone_suspected' AND subject_id = %s", known.id
    )
    assert len(events) == 1
    assert len({twin["boot"] for twin in events[0][0]["twins"]}) == 2
    # After the first moments nothing more happens for a while; a loop would connect several times in this time.
    sessions = "SELECT coalesce(sum(session), 0)::int FROM device_arrivals WHERE device_id = %s"
    seen, since = -1, time.monotonic()

    def is_quiet() -> bool:
        nonlocal seen, since
        found = query(place.url, sessions, known.id)[0][0]
        if found != seen:
            seen, since = found, time.monotonic()
        return time.monotonic() - since > 10

    wait_until(is_quiet, 60, step=0.5)
    print(f"twins: noticed after {found_after:.1f} s, quiet after {since - begun:.1f} s and {seen} connections")


def test_claimed_twice_the_first_holder_is_out(place: Place) -> None:
    known = place.claim("again-1")
    device = place.peer(known.file)
    assert device.is_admitted()
    code = place.post(f"/api/v1/devices/{known.id}/claim-code")["claim_code"]
    answer = httpx.post(f"{place.base}/api/v1/devices/claim", json={"code": code}).json()
    assert answer["mode"] == "password"
    assert device.ended.wait(REVOKED_S)
    wait_until(lambda: not place.peer(known.file).is_admitted(), 10, step=0.5)


def test_removed_device_leaves_no_certificate_that_is_let_in(place: Place) -> None:
    known = place.claim("gone-1")
    device = place.peer(known.file)
    assert device.is_admitted()
    with place.database.as_service() as session:
        from ingest.models import Device

        session.delete(session.get_one(Device, known.id))
    assert device.ended.wait(REVOKED_S)
    wait_until(lambda: not place.peer(known.file).is_admitted(), 10, step=0.5)


def test_broker_refuses_old_tls_and_shows_a_certificate_for_its_names(place: Place) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{place.broker.tls_port}", "-tls1_1"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    for _ in range(50):  # a broker that must not be signalled is restarted instead
        if b"refused" not in done.stderr.lower():
            break
        time.sleep(0.2)
        done = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    assert b"alert protocol version" in done.stderr or b"no protocols available" in done.stderr
    assert SERVICE_USER in (place.broker.home / "acl").read_text()


def test_reload_while_sessions_of_certificates_wait_does_not_hurt_the_broker(place: Place) -> None:
    known = [place.claim(f"wait-{n}") for n in range(3)]
    for each in known:  # sessions that outlive their connection, which our own agent does not ask for
        for _ in range(2):
            peer = place.peer(each.file, session=True)
            assert peer.is_admitted()
            peer.close()
    time.sleep(1.5)  # the broker tells how many there are once a second
    for n in range(4):
        entries = {**place.broker.credentials(), f"other-{n}": hash_password("x")}
        place.broker.set_credentials(entries)
        for each in known:
            wait_until(lambda file=each.file: place.peer(file).is_admitted(), step=0.3)
    code = place.broker._process.poll() if place.broker._process else None
    assert code is None


def test_new_server_certificate_is_used_without_a_restart(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = place.broker.pid
    known = place.claim("renewed-1")
    device = place.peer(known.file)
    assert device.is_admitted()

    def serial_number() -> int:
        context = ssl.create_default_context(cadata=place.authority.pem)
        context.load_cert_chain(known.file)
        import socket

        with socket.create_connection(("127.0.0.1", place.broker.tls_port), 5) as plain:
            shown = context.wrap_socket(plain, server_hostname="127.0.0.1").getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)

    before = serial_number()
    place.broker.renew_certificate(now() + timedelta(days=300))
    wait_until(lambda: serial_number() != before)
    assert place.broker.pid == pid
    assert not device.ended.is_set()
