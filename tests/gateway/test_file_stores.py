"""The file store on disk and in a bucket keeps the same promises; the bucket is that of a real server over HTTP."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import obstore
import pytest

from assets.base.errors import NotFound
from assets.documents.s3 import PART_BYTES, Bucket, S3Files
from assets.documents.store import DiskFiles, FileDamaged, FileStore, FileTooLarge, OthersStore, StoreAway
from assets.documents.sweep import KEEP_FILES, sweep
from gateway.app import make_app
from gateway.main import main
from gateway.settings import Settings
from tests.gateway.conftest import Plant
from tests.gateway.test_documents_api import PDF, add, picture
from tests.ingest.support import wait_until

NAMES = iter(range(10_000))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server of its own process, which holds everything in memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: server.poll() is None and _answers(port), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    """An empty bucket."""
    name = f"forewarn-{next(NAMES)}"
    asked = urllib.request.Request(f"{endpoint}/{name}", method="PUT")
    urllib.request.urlopen(asked, timeout=30).close()
    return Bucket(name, "us-east-1", "key", "secret", endpoint)


@pytest.fixture(params=["disk", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    return DiskFiles(tmp_path) if request.param == "disk" else S3Files(request.getfixturevalue("bucket"))


def whole(files: FileStore, content: str) -> bytes:
    found = files.read(content)
    read = b"".join(found.chunks)
    assert len(read) == found.size
    return read


def test_a_content_comes_back_as_it_was_put_and_is_kept_once(files: FileStore) -> None:
    long = os.urandom(PART_BYTES + 1)  # sent in two parts
    for each in (PDF, b"", long):
        content, size = files.put(io.BytesIO(each), PART_BYTES * 2)
        assert (content, size) == (sha256(each).hexdigest(), len(each))
        assert files.put(io.BytesIO(each), PART_BYTES * 2) == (content, size)
        assert whole(files, content) == each
        with files.local(content) as path:
            assert path.read_bytes() == each
    assert len(list(files.older_than(datetime.now(UTC) + timedelta(hours=1)))) == 3
    assert list(files.older_than(datetime.now(UTC) - timedelta(hours=1))) == []


def test_too_much_is_refused_and_nothing_of_it_kept(files: FileStore) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

        def tell(self) -> int:
            return 0

    endless = Endless()
    with pytest.raises(FileTooLarge):
        files.put(endless, 3 << 20)  # type: ignore[arg-type]
    assert endless.given <= 4 << 20
    assert list(files.older_than(datetime.now(UTC) + timedelta(hours=1))) == []


def test_what_is_not_there_is_said_before_anything_is_sent(files: FileStore) -> None:
    content, _ = files.put(io.BytesIO(PDF), 1000)
    files.remove(content)
    files.remove(content)
    assert not files.has(content)
    for missing in (content, "../../etc/passwd", "0" * 63):
        with pytest.raises(NotFound):
            files.read(missing)
        with pytest.raises(NotFound), files.local(missing):
            pass


def test_a_damaged_file_never_arrives_whole(files: FileStore, tmp_path: Path) -> None:
    content, size = files.put(io.BytesIO(PDF), 1000)
    rotten = PDF.replace(b"obj", b"bjo", 1)
    if isinstance(files, DiskFiles):
        files.path(content).write_bytes(rotten)
    else:
        assert isinstance(files, S3Files)
        obstore.put(files._store, f"files/{content}", rotten)
    sent: list[bytes] = []
    with pytest.raises(FileDamaged):
        sent.extend(files.read(content).chunks)
    assert sum(map(len, sent)) < size


def test_what_is_wrong_with_a_bucket_is_named(bucket: Bucket) -> None:
    S3Files(bucket).check()
    with pytest.raises(StoreAway, match="no bucket forewarn-none"):
        S3Files(replace(bucket, name="forewarn-none")).check()
    with pytest.raises(StoreAway, match="does not answer") as away:
        S3Files(replace(bucket, endpoint="http://127.0.0.1:9")).check()
    assert away.value.params["reason"] == "away"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BUCKET": "forewarn"}, "FOREWARN_FILES_S3_ACCESS_KEY is needed"),
        ({"BUCKET": "forewarn", "ACCESS_KEY": "k", "SECRET_KEY": " "}, "FOREWARN_FILES_S3_SECRET_KEY is needed"),
        ({"ENDPOINT": "https://s3.example.com"}, "FOREWARN_FILES_S3_BUCKET is needed"),
        ({"BUCKET": "Not a bucket"}, "FOREWARN_FILES_S3_BUCKET must be a bucket's name"),
        ({"ENDPOINT": "s3.example.com:9000"}, "FOREWARN_FILES_S3_ENDPOINT must be https://HOST"),
        ({"ENDPOINT": "https://s3.example.com/forewarn"}, "without the bucket's name"),
        ({"PATH_STYLE": "perhaps"}, "FOREWARN_FILES_S3_PATH_STYLE"),
    ],
)
def test_wrong_settings_are_told_by_name(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"FOREWARN_FILES_S3_{name}", value)
    assert main(["doctor"]) == 2
    assert said in capsys.readouterr().err


def set_bucket(monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
    named = {"BUCKET": bucket.name, "ENDPOINT": bucket.endpoint, "ACCESS_KEY": "key", "SECRET_KEY": "secret"}
    for name, value in named.items():
        monkeypatch.setenv(f"FOREWARN_FILES_S3_{name}", str(value))


def test_a_role_does_not_start_without_its_bucket(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_bucket(monkeypatch, replace(bucket, name="forewarn-none"))
    monkeypatch.setenv("FOREWARN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    for role in ("api", "worker", "up"):
        assert main([role]) == 2
        assert "there is no bucket forewarn-none" in capsys.readouterr().err


def test_documents_go_through_the_bucket_and_are_seen_as_before(
    plant: Plant, bucket: Bucket, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_bucket(monkeypatch, bucket)
    plant.app = make_app(Settings(database_url=database_url, data=tmp_path / "unused"), plant.database)
    site = plant.administrator().post("/api/v1/sites", json={"name": "Plant"}).json()["id"]
    made = add(plant, picture(), "图.png", title="Plan", site_id=site).json()
    path = f"/api/v1/documents/{made['id']}"
    file = plant.administrator().get(f"{path}/file")
    assert (file.content, file.headers["content-type"]) == (picture(), "image/png")
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''%E5%9B%BE.png"
    assert "sandbox" in file.headers["content-security-policy"]
    assert plant.administrator().get(f"{path}/thumbnail").content.startswith(b"\x89PNG")
    assert plant.client(plant.token(plant.stranger)).get(f"{path}/file").status_code == 404
    assert not (tmp_path / "unused").exists()
    rows = plant.administrator().post(
        "/api/v1/imports", files={"file": ("sites.csv", b"name\nHall 2\n")}, data={"kind": "sites"}
    )
    assert rows.status_code == 201, rows.text
    S3Files(bucket).remove(made["revisions"][0]["sha256"])
    assert plant.administrator().get(f"{path}/file").status_code == 404
    monkeypatch.setenv("FOREWARN_FILES_S3_ENDPOINT", "http://127.0.0.1:9")
    plant.app = make_app(Settings(database_url=database_url, data=tmp_path), plant.database)
    away = plant.administrator().get(f"{path}/thumbnail")
    assert (away.status_code, away.json()["code"]) == (503, "files_unavailable")


def test_the_sweep_takes_what_no_row_names_and_nothing_of_others(
    plant: Plant, files: FileStore, database_url: str
) -> None:
    used, _ = files.put(io.BytesIO(PDF), 1000)
    made = add(plant, PDF, title="Manual", site_id=_site(plant))
    assert made.json()["revisions"][0]["sha256"] == used
    unused, _ = files.put(io.BytesIO(b"nobody's"), 1000)
    later = datetime.now(UTC) + KEEP_FILES + timedelta(hours=1)
    with plant.database.as_service() as session:
        assert sweep(session, files, datetime.now(UTC)) == 0  # perhaps its row comes yet
        assert sweep(session, files, later) == 1
    assert files.has(used)
    assert not files.has(unused)
    if isinstance(files, S3Files):
        obstore.put(files._store, "files/owner", b"somebody else")
        with plant.database.as_service() as session, pytest.raises(OthersStore):
            sweep(session, files, later)


def _site(plant: Plant) -> Any:
    return plant.administrator().post("/api/v1/sites", json={"name": "Plant"}).json()["id"]


def test_moving_to_a_bucket_goes_on_where_it_was_broken_off(
    plant: Plant,
    bucket: Bucket,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    disk, site = DiskFiles(tmp_path), _site(plant)
    hashes = [
        add(plant, content, title="Paper", site_id=site).json()["revisions"][0]["sha256"]
        for content in (PDF, PDF + b"%2", PDF + b"%3", PDF + b"%4")
    ]
    unused, _ = disk.put(io.BytesIO(b"nobody's"), 1000)
    set_bucket(monkeypatch, bucket)
    monkeypatch.setenv("FOREWARN_DATABASE_URL", database_url)
    monkeypatch.setenv("FOREWARN_DATA", str(tmp_path))
    monkeypatch.setattr("gateway.document_commands.BATCH", 2)
    goal = S3Files(bucket)
    with disk.path(hashes[0]).open("rb") as file:
        goal.put(file, 1000)  # so far the first attempt came
    disk.path(hashes[3]).write_bytes(b"rotten")

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = main(["documents", *words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    assert run("move") == (1, {"moved": 2, "there already": 1, "wrong": [f"{hashes[3]} is damaged"]})
    assert not goal.has(hashes[3])
    assert not goal.has(unused)
    assert disk.has(hashes[0])
    disk.path(hashes[3]).write_bytes(PDF + b"%4")
    assert run("move", "--remove") == (0, {"moved": 1, "there already": 3, "wrong": []})
    assert [disk.has(each) for each in hashes] == [False] * 4
    assert run("check") == (0, {"whole": 4, "wrong": []})
    obstore.put(goal._store, f"files/{hashes[1]}", b"rotten")
    goal.remove(hashes[2])
    wrong = sorted([f"{hashes[1]} is damaged", f"{hashes[2]} is missing"])
    code, said = run("check")
    assert (code, sorted(said["wrong"])) == (1, wrong)
