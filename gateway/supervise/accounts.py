"""Choose the account for PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.supervise.errors import SupervisorError

SYSTEM_USER = "forewarn"
NAMESPACE = ("unshare", "--user", "--map-user=1000", "--")


@dataclass(frozen=True)
class Account:
    """How to run a program without being root: a prefix for its command line, or another user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def give(self, path: Path) -> None:
        """Make this account the owner of `path` and all below it; nothing to do unless it is another user."""
        if self.uid is None or self.gid is None:
            return
        os.chown(path, self.uid, self.gid)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)

    def can_read(self, path: Path) -> bool:
        """True when this account reaches and reads `path`."""
        if self.uid is None:
            return os.access(path, os.R_OK)
        probe = subprocess.run(
            ["test", "-r", str(path)], user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False
        )
        return probe.returncode == 0


def choose_account(home: Path, cluster: Path, progress: Callable[[str], None]) -> Account:
    """Return the account for the cluster in `home`, creating the system user `forewarn` when nothing else works.

    An existing cluster keeps its owner. Under root a user namespace comes first: it changes nothing on the
    system. Where it is forbidden (containers, chroots) a system user does.
    """
    if os.geteuid() != 0:
        return Account()
    owner = cluster.stat().st_uid if cluster.exists() else 0
    if owner == 0 and namespace_works():
        return Account(prefix=NAMESPACE)
    account = _account_of(owner) if owner else _system_user(home, progress)
    account.give(home)
    if not account.can_read(home) and home.parent.stat().st_uid == 0:
        home.parent.chmod(home.parent.stat().st_mode | 0o011)  # the data folder is ours: let the user pass through it
    if not account.can_read(home):
        raise SupervisorError(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} cannot enter {home}: "
            "choose a folder such as /var/lib/forewarn with --data."
        )
    return account


def namespace_works() -> bool:
    """True when this root may make a user namespace, in which it is an ordinary user."""
    if shutil.which(NAMESPACE[0]) is None:
        return False
    probe = subprocess.run([*NAMESPACE, "id", "-u"], capture_output=True, text=True, check=False, timeout=10)
    return probe.returncode == 0 and probe.stdout.strip() == "1000"


def _account_of(uid: int) -> Account:
    try:
        return Account(uid=uid, gid=pwd.getpwuid(uid).pw_gid)
    except KeyError:
        return Account(uid=uid, gid=uid)


def _system_user(home: Path, progress: Callable[[str], None]) -> Account:
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        # Two that make it at once would each get a user, of which one is gone afterwards.
        folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            entry = _made_user(home, progress)
        finally:
            os.close(folder)
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _made_user(home: Path, progress: Callable[[str], None]) -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    progress(f"Creating the system user {SYSTEM_USER}, because PostgreSQL refuses to run as root.")
    # --home names a folder without making it: nothing outside the data folder is written for this user
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(home.parent)]
    made = subprocess.run(
        [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise SupervisorError(
            f"PostgreSQL refuses to run as root and the user {SYSTEM_USER} could not be made "
            f"({made.stderr.strip()}): run Forewarn as an ordinary user."
        )
    return pwd.getpwnam(SYSTEM_USER)
