"""Hold a folder for one process at a time, and name the holder to the second."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from gateway.supervise.errors import SupervisorError


class FolderLock:
    """An flock on a file in the data folder; the kernel frees it however the holder dies."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """True while this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock or raise SupervisorError naming the pid that has it."""
        if self._descriptor is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SupervisorError(cannot_write(self.path.parent, error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise SupervisorError(
                f"{self.what} in {self.path.parent} is already running as process {holder}: "
                "stop that one first, or choose another folder with --data."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock; the file stays, because removing it would let two processes each lock their own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def instance_lock(data: Path) -> FolderLock:
    """Return the lock that `forewarn up` holds: one service per data folder."""
    return FolderLock(data / "lock", "Forewarn")


def cannot_write(folder: Path, error: OSError) -> str:
    """Return the sentence for a folder that cannot be written: full, forbidden, or something else."""
    if error.errno == errno.ENOSPC:
        return f"No space left on the disk of {folder}: free some space there, or choose another folder with --data."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"No permission to write in {folder}: correct its owner, or choose another folder with --data."
    if error.errno == errno.EROFS:
        return f"{folder} is on a read-only disk: choose another folder with --data."
    return f"Cannot write in {folder} ({error.strerror}): choose another folder with --data."
