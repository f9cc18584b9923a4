"""Where files lie: by the hash of their content, once; on disk below the data folder, or elsewhere by these rules."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from assets.base.errors import NotFound, RuleError

CHUNK = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


class FileTooLarge(RuleError):
    """More bytes than such a file may have; params: `most`."""

    code = "too_large"


class StoreAway(RuleError):
    """The store does not answer, or lets nobody in; nothing is lost. params: `reason`."""

    code = "files_unavailable"


class FileDamaged(RuleError):
    """What came back is not what was put; params: `content`."""

    code = "file_damaged"


class OthersStore(RuleError):
    """The store holds the files of another installation; params: `owner`."""

    code = "files_of_others"


@dataclass(frozen=True, slots=True)
class Contents:
    """A content's size, and its bytes piece by piece; the last piece comes only when the whole has the right hash."""

    size: int
    chunks: Iterator[bytes]


class FileStore(Protocol):
    """Keeps contents under their SHA-256; the same content is kept once, however often it is put.

    Each method raises StoreAway while the store does not answer.
    """

    def put(self, source: BinaryIO, most_bytes: int) -> tuple[str, int]:
        """Keep what the source, which can be rewound, holds; return its hash and size.

        Raises FileTooLarge, and keeps nothing then.
        """

    def has(self, content: str) -> bool:
        """Return whether a content is there."""

    def local(self, content: str) -> AbstractContextManager[Path]:
        """Lend a file on this machine that holds a content. Raises NotFound, FileDamaged."""

    def read(self, content: str) -> Contents:
        """Return a content to be sent on. Raises NotFound; the chunks raise FileDamaged instead of the last one."""

    def remove(self, content: str) -> None:
        """Forget a content, if it is there."""

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the contents that were put before a moment."""

    def claim(self, owner: str) -> None:
        """Write down whose files these are, before any is removed. Raises OthersStore."""


def checked_hash(content: str) -> str:
    """Return a content's name. Raises NotFound for what cannot be one."""
    if not _HASH.fullmatch(content):
        raise NotFound("no such content")
    return content


def is_hash(name: str) -> bool:
    """Return whether a file of this name is a content."""
    return _HASH.fullmatch(name) is not None


def verified(content: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield chunks, the last one only when all together have the hash. Raises FileDamaged."""
    digest, held = hashlib.sha256(), b""
    for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != content:
        raise FileDamaged("the stored file is damaged", content=content)
    yield held


def measured(source: BinaryIO, most_bytes: int) -> tuple[str, int]:
    """Return hash and size of what a source holds. Raises FileTooLarge as soon as it is."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        size += len(chunk)
        if size > most_bytes:
            raise FileTooLarge(f"at most {most_bytes} bytes", most=most_bytes)
        digest.update(chunk)
    return digest.hexdigest(), size


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

    def has(self, content: str) -> bool:
        """Return whether the file is there."""
        return self._place(content).is_file()

    @contextmanager
    def local(self, content: str) -> Iterator[Path]:
        """Lend the file itself. Raises NotFound."""
        yield self.path(content)

    def read(self, content: str) -> Contents:
        """Return the file's bytes. Raises NotFound."""
        file = self.path(content).open("rb")
        return Contents(os.fstat(file.fileno()).st_size, verified(content, _chunks(file)))

    def claim(self, owner: str) -> None:
        """The data folder is one installation's own."""

    def remove(self, content: str) -> None:
        """Remove the file."""
        self._place(content).unlink(missing_ok=True)

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the contents that were put before a moment; what was never finished is removed on the way."""
        for path in self._root.glob(".incoming-*"):
            if path.stat().st_mtime < moment.timestamp():
                path.unlink(missing_ok=True)
        for path in self._root.glob("??/??/*"):
            if is_hash(path.name) and path.stat().st_mtime < moment.timestamp():
                yield path.name

    def _place(self, content: str) -> Path:
        checked_hash(content)
        return self._root / content[:2] / content[2:4] / content


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
