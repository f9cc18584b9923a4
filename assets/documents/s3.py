"""Contents in a bucket of an S3-compatible store, under the same names as on disk."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from assets.base.errors import NotFound
from assets.documents.store import (
    CHUNK,
    Contents,
    OthersStore,
    StoreAway,
    checked_hash,
    is_hash,
    measured,
    verified,
)

log = logging.getLogger(__name__)

FOLDER = "files"
OWNER = f"{FOLDER}/owner"
PROBE = f"{FOLDER}/probe"
PART_BYTES = 8 << 20  # pieces of an upload in parts; S3 wants 5 MiB at least
PARTS_AT_ONCE = 2  # so one upload holds at most 16 MiB in memory
CONNECT = timedelta(seconds=5)
ANSWER = timedelta(seconds=60)  # for one request: a part up, or a whole content down at 2 MiB/s
RETRY_FOR = timedelta(seconds=20)  # a request of somebody waits for it

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the files lie; `endpoint` None: Amazon's own, by region."""

    name: str
    region: str
    access_key: str
    secret_key: str
    endpoint: str | None = None
    path_style: bool = True


class S3Files:
    """Contents as objects `files/HASH`; what an upload did not finish never becomes one."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._store = S3Store(
            bucket.name,
            config={"endpoint": bucket.endpoint} if bucket.endpoint else {},
            region=bucket.region,
            access_key_id=bucket.access_key,
            secret_access_key=bucket.secret_key,
            virtual_hosted_style_request=not bucket.path_style,
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http://"),
                "connect_timeout": CONNECT,
                "timeout": ANSWER,
            },
            retry_config={"max_retries": 3, "retry_timeout": RETRY_FOR},
        )

    def put(self, source: BinaryIO, most_bytes: int) -> tuple[str, int]:
        """Measure first, then send: the name is the hash. A content that is there already is dated anew by it."""
        start = source.tell()
        content, size = measured(source, most_bytes)
        source.seek(start)
        key = _key(content)
        self._ask(lambda: obstore.put(self._store, key, source, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE))
        return content, size

    def has(self, content: str) -> bool:
        """Return whether the object is there."""
        try:
            self._ask(lambda: obstore.head(self._store, _key(content)))
        except NotFound:
            return False
        return True

    @contextmanager
    def local(self, content: str) -> Iterator[Path]:
        """Fetch the object into a file for as long as it is used. Raises NotFound, FileDamaged."""
        with tempfile.NamedTemporaryFile(prefix="forewarn-") as file:
            for chunk in self.read(content).chunks:
                file.write(chunk)
            file.flush()
            yield Path(file.name)

    def read(self, content: str) -> Contents:
        """Return the object's bytes as they come. Raises NotFound."""
        found = self._ask(lambda: obstore.get(self._store, _key(content)))
        return Contents(found.meta["size"], verified(content, self._pieces(iter(found.stream(min_chunk_size=CHUNK)))))

    def remove(self, content: str) -> None:
        """Remove the object."""
        try:
            self._ask(lambda: obstore.delete(self._store, _key(content)))
        except NotFound:
            return

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the contents that were put before a moment; uploads broken off are the bucket's own rule to end."""
        pages = iter(obstore.list(self._store, prefix=f"{FOLDER}/", chunk_size=1000))
        while True:
            page = self._ask(lambda: next(pages, None))
            if page is None:
                return
            for each in page:
                name = each["path"].removeprefix(f"{FOLDER}/")
                if is_hash(name) and each["last_modified"] < moment:
                    yield name

    def claim(self, owner: str) -> None:
        """Write down whose bucket this is, once: another installation's files are nobody's to remove here."""
        try:
            known = bytes(self._ask(lambda: obstore.get(self._store, OWNER)).bytes()).decode()
        except NotFound:
            self._ask(lambda: obstore.put(self._store, OWNER, owner.encode()))
            return
        if known != owner:
            raise OthersStore(
                f"the bucket {self.bucket.name} holds the files of another installation ({known})", owner=known
            )

    def check(self) -> None:
        """Write, read and remove a small object. Raises StoreAway, which says what is wrong."""
        self._ask(lambda: obstore.put(self._store, PROBE, b"forewarn", use_multipart=False))
        if bytes(self._ask(lambda: obstore.get(self._store, PROBE)).bytes()) != b"forewarn":
            raise StoreAway(f"the bucket {self.bucket.name} gives back something else than was put", reason="differs")
        self._ask(lambda: obstore.delete(self._store, PROBE))

    def _pieces(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            piece = self._ask(lambda: next(stream, None))
            if piece is None:
                return
            yield bytes(piece)

    def _ask(self, request: Callable[[], Answer]) -> Answer:
        """Carry a request out. Raises NotFound, StoreAway."""
        try:
            return request()
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreAway(f"there is no bucket {self.bucket.name}", reason="no_bucket") from None
            raise NotFound("the file is not in the store") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            log.warning("file store: %s", _reason(error))
            said = f"the keys do not open the bucket {self.bucket.name}: {_reason(error)}"
            raise StoreAway(said, reason="refused") from None
        except (BaseError, OSError) as error:
            log.warning("file store: %s", _reason(error))
            where = self.bucket.endpoint or f"S3 in {self.bucket.region}"
            raise StoreAway(f"{where} does not answer: {_reason(error)}", reason="away") from None


def _key(content: str) -> str:
    return f"{FOLDER}/{checked_hash(content)}"


def _reason(error: Exception) -> str:
    """Return the first line of what the client says; what it would print for debugging is long."""
    return str(error).strip().partition("\n")[0][:300]
