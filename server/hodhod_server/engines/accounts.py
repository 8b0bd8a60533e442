"""Who the engines run as. PostgreSQL refuses root, rightly: as root we lend it another account.

That account may lack the way to what root sees (a checkout or a virtual environment below a folder
that only root enters), so reachability is asked of the kernel, as that account, not guessed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ACCOUNT_NAME: Final = "hodhod"
_FALLBACK_NAME: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine to run a process as."""

    name: str
    uid: int
    gid: int

    def can(self, what: str, path: Path) -> bool:
        """May this account do `-r`, `-w` or `-x` with the path, every folder above it included?"""
        asked = subprocess.run(
            ["test", what, str(path)],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        return asked.returncode == 0


def is_root() -> bool:
    return os.geteuid() == 0


def engine_account(owner_uid: int | None) -> Account | None:
    """Whom to lend to the engines: None (ourselves) unless we are root.

    `owner_uid` owns the data that is already there: it was the account then and stays it. New data
    belongs to a system account of our own, made when missing.
    """
    if not is_root():
        return None
    if owner_uid:
        return _named(owner_uid)
    return _find(ACCOUNT_NAME) or _make() or _find(_FALLBACK_NAME) or Account("65534", 65534, 65534)


def _named(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account(str(uid), uid, uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return None if entry.pw_uid == 0 else Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make() -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    shape = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    subprocess.run([useradd, *shape, ACCOUNT_NAME], check=False, capture_output=True)
    return _find(ACCOUNT_NAME)
