"""Records that are wanted a few times a day: in a file without a name, not in memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FIRST = 8192  # bytes of a place at first; a longer record makes all places longer
_DISK = Path("/var/tmp")  # /tmp may be memory


class Shelf:
    """A record per place, and pieces of equal size appended to it until it is put anew."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(dir=_DISK if os.access(_DISK, os.W_OK) else None)  # noqa: SIM115
        self._size, self._places = FIRST, 0

    def put(self, place: int, record: bytes, room: int = 0) -> None:
        """Keep the record, with room for so many bytes of pieces."""
        while len(record) + room + 8 > self._size:
            self._widen()
        self._places = max(self._places, place + 1)
        os.pwrite(self._file.fileno(), len(record).to_bytes(8, "little") + record, place * self._size)

    def append(self, place: int, number: int, piece: bytes) -> None:
        """Write the piece with this number behind the record."""
        at = place * self._size
        begin = int.from_bytes(os.pread(self._file.fileno(), 8, at), "little") + 8
        os.pwrite(self._file.fileno(), piece, at + begin + number * len(piece))

    def get(self, place: int, pieces: int = 0, size: int = 0) -> tuple[bytes, list[bytes]]:
        """Return the record and its first pieces, of `size` bytes each."""
        whole = os.pread(self._file.fileno(), self._size, place * self._size)
        end = int.from_bytes(whole[:8], "little") + 8
        return whole[8:end], [whole[end + i * size : end + (i + 1) * size] for i in range(pieces)]

    def _widen(self) -> None:
        """Twice the size for all, from the last place on, so that nothing is overwritten before it is read."""
        file, old, self._size = self._file.fileno(), self._size, 2 * self._size
        for place in reversed(range(self._places)):
            os.pwrite(file, os.pread(file, old, place * old), place * self._size)
