"""Step the clock of one process: Python loads this file at its start when its folder is in PYTHONPATH.

Only what the process takes for the time of day moves; its monotonic clock goes on, as with a clock that is set.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

_file = os.environ.get("FOREWARN_CHAOS_CLOCK")
if _file:
    with open(_file, "rb") as _opened:
        _offset = mmap.mmap(_opened.fileno(), 8, access=mmap.ACCESS_READ)
    _time_ns = time.time_ns

    def _stepped_ns() -> int:
        (offset_ms,) = struct.unpack("<q", _offset[:8])
        return _time_ns() + int(offset_ms) * 1_000_000

    time.time_ns = _stepped_ns
    time.time = lambda: _stepped_ns() / 1e9
