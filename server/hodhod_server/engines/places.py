"""The folders of the embedded engines, and the lock that keeps them to one `hodhod up`.

In the data dir: `lock`, logs, and `postgres/` with the database. Where the engines' account cannot
reach the data dir, the database lies in `/var/lib/hodhod/data/<instance>` and `instance` in the
data dir remembers which. Sockets lie in a folder of their own with a short name, because a socket's
path may have 103 bytes, and `sockets` remembers it for the start after a crash.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from hodhod_server.engines.accounts import Account, is_root
from hodhod_server.engines.children import StartFailed
from hodhod_server.engines.wheels import SYSTEM_DIR, Programs, make_passable
from hodhod_server.telemetry import logs

LOG_BYTES_MAX: Final = 8 * 1024**2
_SOCKETS_PREFIX: Final = "hodhod-"
_TEMPORARY_PATH_MAX: Final = 70  # leaves room for the folder's and the socket's own names
log = logs.get("engines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What both engines need to know of the machine."""

    data_dir: Path
    sockets: Path
    programs: Programs
    account: Account | None
    """Who runs them; None: we do."""


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data dir, made if missing. Raises `StartFailed` where another process holds it."""
    if not data_dir.exists():
        data_dir.mkdir(parents=True)
        # Root lets the engines' account pass, whatever the umask; nobody else lists what is here.
        data_dir.chmod(0o711 if is_root() else 0o700)
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StartFailed(
                f"{data_dir} is in use by another `hodhod up`, pid {holder}"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def owner_uid(data_dir: Path) -> int | None:
    """Who owns the database of this data dir; None where there is none yet."""
    for home in (data_dir / "postgres", find_outside_dir(data_dir)):
        if home is not None and home.exists():
            return home.stat().st_uid
    return None


def postgres_home(data_dir: Path, account: Account | None) -> Path:
    """The folder of the database, owned by whoever runs it. Raises `StartFailed`."""
    inside, outside = data_dir / "postgres", find_outside_dir(data_dir)
    if account is None:
        if outside is not None:
            raise StartFailed(
                f"{data_dir} was made by root, its database is in {outside}: run as root"
            )
        inside.mkdir(mode=0o700, exist_ok=True)
        if inside.stat().st_uid != os.geteuid():
            raise StartFailed(f"{inside} belongs to another user: run as that user or as root")
        return inside
    if outside is not None:
        return _own(outside, account)
    is_new = not inside.exists()
    _own(inside, account)
    if account.can("-w", inside):
        return inside
    if not is_new:
        raise StartFailed(
            f"{account.name} cannot reach {inside}: a folder above it is closed to it"
        )
    inside.rmdir()
    (data_dir / "instance").write_text(secrets.token_hex(8))
    outside = _own(SYSTEM_DIR / "data" / (data_dir / "instance").read_text(), account)
    log.info(
        "engines.data_is_outside", account=account.name, data_dir=str(data_dir), to=str(outside)
    )
    return outside


def find_outside_dir(data_dir: Path) -> Path | None:
    """The database's folder outside of the data dir, if that is where it is."""
    try:
        instance = (data_dir / "instance").read_text().strip()
    except FileNotFoundError:
        return None
    return SYSTEM_DIR / "data" / instance if instance.isalnum() else None


def discard(data_dir: Path) -> None:
    """Remove a data dir that nobody uses, with what lies outside of it."""
    if outside := find_outside_dir(data_dir):
        shutil.rmtree(outside, ignore_errors=True)
        with suppress(OSError):  # others' data is still there
            outside.parent.rmdir()
            outside.parent.parent.rmdir()
    shutil.rmtree(data_dir, ignore_errors=True)


def _own(folder: Path, account: Account) -> Path:
    if not folder.exists():
        make_passable(folder.parent)
        folder.mkdir(mode=0o700)
        os.chown(folder, account.uid, account.gid)
    return folder


@contextmanager
def sockets_dir(data_dir: Path, account: Account | None) -> Iterator[Path]:
    """A folder for sockets while the block runs; only the engines' account and root enter it."""
    temporary = tempfile.gettempdir()
    if account is not None or len(temporary) > _TEMPORARY_PATH_MAX:
        temporary = "/tmp"
    sockets = Path(tempfile.mkdtemp(prefix=_SOCKETS_PREFIX, dir=temporary))
    remembered = data_dir / "sockets"
    try:
        remembered.write_text(str(sockets))
        if account is not None:
            os.chown(sockets, account.uid, account.gid)
        yield sockets
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
        remembered.unlink(missing_ok=True)


def find_sockets_left_behind(data_dir: Path) -> Path | None:
    """The folder of sockets of a run that ended without a word."""
    with suppress(FileNotFoundError):
        left = Path((data_dir / "sockets").read_text())
        if left.name.startswith(_SOCKETS_PREFIX) and left.is_dir():
            return left
    return None


@contextmanager
def appended(path: Path) -> Iterator[IO[bytes]]:
    """A log file to append to; a large one starts anew, the last one is kept beside it."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as file:
        yield file
