"""Install system packages with apt, leaving every service of the system as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.supervise.errors import SupervisorError
from gateway.supervise.progress import say

# Asked by Debian's packages before they start a service; 101 means "not allowed".
POLICY_FILE = Path("/usr/sbin/policy-rc.d")
# Read by postgresql-NN when it is installed: without it the package makes and starts a cluster of its own.
CLUSTER_POLICY_FILE = Path("/etc/postgresql-common/createcluster.d/forewarn.conf")
SERVICES = {"mosquitto": "mosquitto.service"}
INSTALL_SECONDS = 1800  # chromium over a slow line


def install(packages: Sequence[str], progress: Callable[[str], None] = say) -> None:
    """Install what is missing of `packages`; needs root and apt-get.

    Raises SupervisorError with the line to type when it may not, or when apt-get fails.
    """
    missing = [name for name in packages if not is_installed(name)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise SupervisorError(f"Missing: {', '.join(missing)}. Install with this system's package manager, then again.")
    if os.geteuid() != 0:
        raise SupervisorError(f"Missing: {', '.join(missing)}. Type: {line_to_type(missing)}")
    progress(f"Installing {', '.join(missing)} ...")
    with services_left_alone(missing):
        if not _apt_get(["install", "-y", "-q", "--no-install-recommends", *missing]):
            _run(["dpkg", "--configure", "-a"])  # an earlier installation may have been interrupted
            refresh_lists(progress)
            if not _apt_get(["install", "-y", "-q", "--no-install-recommends", *missing], show=True):
                raise SupervisorError(f"apt-get could not install them (see above). Type: {line_to_type(missing)}")


def line_to_type(packages: Sequence[str]) -> str:
    """Return the line that installs packages for whoever we are: as root, with sudo, or with su."""
    line = f"apt-get update && apt-get install -y {' '.join(packages)}"
    if os.geteuid() == 0:
        return line
    return line.replace("apt-get", "sudo apt-get") if shutil.which("sudo") else f"su -c '{line}'"


def is_installed(package: str) -> bool:
    """True when dpkg has the package installed."""
    status = _run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package])
    return status.returncode == 0 and status.stdout == "installed"


def is_available(package: str) -> bool:
    """True when apt could install the package from the lists it has."""
    answer = _run(["apt-cache", "policy", package])
    candidate = [line for line in answer.stdout.splitlines() if "Candidate:" in line]
    return bool(candidate) and "(none)" not in candidate[0]


def refresh_lists(progress: Callable[[str], None] = say) -> None:
    """Fetch apt's package lists."""
    progress("Fetching the lists of packages ...")
    _apt_get(["update", "-q"])


@contextlib.contextmanager
def services_left_alone(packages: Sequence[str]) -> Iterator[None]:
    """Keep new packages from starting or enabling services; what runs already is not touched."""
    with (
        _temporary_file(POLICY_FILE, "#!/bin/sh\nexit 101\n", 0o755),
        _temporary_file(CLUSTER_POLICY_FILE, "create_main_cluster = false\n", 0o644),
    ):
        yield
    for package in packages:
        if package in SERVICES:
            # installing enables a unit even when it may not start; it was absent before, so nobody wanted it
            _disable(package, SERVICES[package])


def _disable(package: str, unit: str) -> None:
    """Take a service from the next boot, under systemd (also when it is not running, as in images) and without it."""
    _run(["update-rc.d", package, "disable"])
    if shutil.which("systemctl") is not None:
        _run(["systemctl", "disable", unit])
    else:
        _run(["env", f"DPKG_MAINTSCRIPT_PACKAGE={package}", "deb-systemd-helper", "disable", unit])


@contextlib.contextmanager
def _temporary_file(path: Path, text: str, mode: int) -> Iterator[None]:
    """Have a file there meanwhile; one that exists already stays and counts."""
    made = not path.exists()
    if made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    try:
        yield
    finally:
        if made:
            path.unlink(missing_ok=True)


def _apt_get(arguments: Sequence[str], show: bool = False) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            ["apt-get", "-o", "Acquire::Retries=3", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        if done.returncode != 0 and show:
            output.seek(max(0, output.seek(0, os.SEEK_END) - 2000))
            sys.stderr.write(output.read().decode(errors="replace"))
    return done.returncode == 0


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(list(command), 1, "", "")


def timescaledb_package() -> str | None:
    """Return the newest TimescaleDB that apt offers for a PostgreSQL we can use, None when it has none."""
    for major in (18, 17, 16):
        if is_available(f"postgresql-{major}-timescaledb"):
            return f"postgresql-{major}-timescaledb"
    return None


def main(arguments: Sequence[str]) -> int:
    """Install the named packages; `timescaledb?` means whichever there is, and none is no error."""
    try:
        wanted = [name for name in arguments if not name.endswith("?")]
        if "timescaledb?" in arguments and os.geteuid() == 0 and shutil.which("apt-get") is not None:
            if not is_available("python3"):  # a machine without lists cannot tell what it has
                refresh_lists()
            found = timescaledb_package()
            wanted += [found] if found else []
        install(wanted)
    except SupervisorError as error:
        print(error.message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
