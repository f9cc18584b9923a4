"""Serve this server's own wheel: a device gets the agent from the server it belongs to, paho from its index."""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import importlib.metadata
import io
import zipfile
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from assets.base.errors import NotFound
from gateway.settings import VERSION

router = APIRouter(tags=["download"])

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "ml", "ingest", "maintenance", "ticketing", "assets", "edge_agent")
WHEEL = f"forewarn-{VERSION}-py3-none-any.whl"
DIST_INFO = f"forewarn-{VERSION}.dist-info"
SOURCES, BUILT = "gateway/web/", "gateway/web/dist/"  # of the pages only what was built goes along
SUFFIXES = frozenset(
    {".py", ".mako", ".html", ".j2", ".css", ".js", ".svg", ".po", ".mo", ".json", ".woff2", ".png", ".txt"}
)


@router.get("/download/{name}", include_in_schema=False)
def download(name: str) -> Response:
    """Return the wheel: the base install is the agent, the extra `server` the rest."""
    if name != WHEEL:
        raise NotFound(f"this server offers /download/{WHEEL}")
    return Response(make_wheel(), media_type="application/zip", headers={"Cache-Control": "no-cache"})


@functools.cache
def make_wheel() -> bytes:
    """Pack the running code as a wheel (PyPA binary distribution format 1.0); reproducible for the same files."""
    distribution = importlib.metadata.distribution("forewarn")
    files = {name: (ROOT / name).read_bytes() for package in PACKAGES for name in _files(ROOT / package)}
    files[f"{DIST_INFO}/METADATA"] = (distribution.read_text("METADATA") or "").encode()
    files[f"{DIST_INFO}/entry_points.txt"] = (distribution.read_text("entry_points.txt") or "").encode()
    files[f"{DIST_INFO}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: forewarn\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    licence = ROOT / "LICENSE"
    files[f"{DIST_INFO}/licenses/LICENSE"] = (
        licence.read_bytes() if licence.exists() else (distribution.read_text("licenses/LICENSE") or "").encode()
    )
    files[f"{DIST_INFO}/RECORD"] = _record(files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files(package: Path) -> list[str]:
    names = (path.relative_to(ROOT).as_posix() for path in sorted(package.rglob("*")) if path.suffix in SUFFIXES)
    return [name for name in names if "__pycache__" not in name and (BUILT in name or SOURCES not in name)]


def _record(files: dict[str, bytes]) -> bytes:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow([name, f"sha256={digest}", len(content)])
    writer.writerow([f"{DIST_INFO}/RECORD", "", ""])
    return rows.getvalue().encode()
