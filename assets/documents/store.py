"""Where files lie: by the hash of their content, once, on disk below the data folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from assets.base.errors import NotFound, RuleError

CHUNK = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


class FileTooLarge(RuleError):
    """More bytes than such a file may have; params: `most`."""

    code = "too_large"


class FileStore(Protocol):
    """Keeps contents under their SHA-256; the same content is kept once, however often it is put."""

    def put(self, source: BinaryIO, most_bytes: int) -> tuple[str, int]:
        """Keep what the source holds; return its hash and size. Raises FileTooLarge, and keeps nothing then."""

    def path(self, content: str) -> Path:
        """Return where a content can be read. Raises NotFound."""

    def remove(self, content: str) -> None:
        """Forget a content, if it is there."""


class DiskFiles:
    """Contents as files, two levels of folders deep; several machines share the folder."""

    def __init__(self, data: Path) -> None:
        self._root = data / "files"

    def put(self, source: BinaryIO, most_bytes: int) -> tuple[str, int]:
        """Write beside and move: a file under a hash is always whole."""
        self._root.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self._root, prefix=".incoming-")
        try:
            with os.fdopen(handle, "wb") as target:
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size > most_bytes:
                        raise FileTooLarge(f"at most {most_bytes} bytes", most=most_bytes)
                    digest.update(chunk)
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            final = self._place(digest.hexdigest())
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(name, final)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return digest.hexdigest(), size

    def path(self, content: str) -> Path:
        """Return the file. Raises NotFound."""
        place = self._place(content)
        if not place.is_file():
            raise NotFound("the file is not in the store", content=content)
        return place

    def remove(self, content: str) -> None:
        """Remove the file."""
        self._place(content).unlink(missing_ok=True)

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the contents that were put before a moment; what was never finished is removed on the way."""
        for path in self._root.glob(".incoming-*"):
            if path.stat().st_mtime < moment.timestamp():
                path.unlink(missing_ok=True)
        for path in self._root.glob("??/??/*"):
            if _HASH.fullmatch(path.name) and path.stat().st_mtime < moment.timestamp():
                yield path.name

    def _place(self, content: str) -> Path:
        if not _HASH.fullmatch(content):
            raise NotFound("no such content")
        return self._root / content[:2] / content[2:4] / content
