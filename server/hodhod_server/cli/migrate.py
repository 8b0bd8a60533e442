"""`hodhod migrate`: what the database has, and what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from hodhod_server import settings, supervisor
from hodhod_server.engines import StartFailed
from hodhod_server.settings import DatabaseSettings
from hodhod_server.store import migrations
from hodhod_server.store.migrations import Migration

F = TypeVar("F", bound=Callable[..., Any])


def _options(command: F) -> F:
    data_dir = click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Use the database of the `hodhod up` that runs there, not the setting database.url.",
    )
    return data_dir(click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command))


@click.group()
def migrate() -> None:
    """Bring the database's schema up to date, or look at it.

    \b
    Examples:
      hodhod migrate status
      hodhod migrate up
      hodhod migrate status --data-dir .hodhod --json
    """


@migrate.command("up")
@_options
def apply(data_dir: Path | None, as_json: bool) -> None:
    """Apply what is missing. Safe to run from several nodes at once.

    \b
    Examples:
      hodhod migrate up
      HODHOD__DATABASE__URL=postgresql://hodhod@db/hodhod hodhod migrate up --json
    """
    applied = asyncio.run(migrations.up(_database(data_dir)))
    _print([msgspec.structs.replace(migration, applied=True) for migration in applied], as_json)
    if not applied and not as_json:
        click.echo("nothing to apply")


@migrate.command()
@_options
def status(data_dir: Path | None, as_json: bool) -> None:
    """Every migration and whether the database has it.

    \b
    Examples:
      hodhod migrate status
      hodhod migrate status --data-dir .hodhod --json
    """
    _print(asyncio.run(migrations.status(_database(data_dir))), as_json)


def _database(data_dir: Path | None) -> DatabaseSettings:
    if data_dir is not None:
        return DatabaseSettings(url=supervisor.read_processes(data_dir).database_url)
    database = settings.load().database
    if not database.url:
        raise StartFailed("database.url is not set: set HODHOD__DATABASE__URL, or pass --data-dir")
    return database


def _print(listed: Sequence[Migration], as_json: bool) -> None:
    if as_json:
        rows = [
            {"version": item.version, "name": item.name, "applied": item.applied} for item in listed
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    for item in listed:
        click.echo(f"{'applied' if item.applied else 'missing'}  {item.name}")
