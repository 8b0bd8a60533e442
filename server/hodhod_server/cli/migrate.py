"""`hodhod migrate`: what the database has, and what it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from hodhod_server.cli.database_choice import chosen_database, database_options
from hodhod_server.store import migrations
from hodhod_server.store.migrations import Migration


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
@database_options
def apply(data_dir: Path | None, as_json: bool) -> None:
    """Apply what is missing. Safe to run from several nodes at once.

    \b
    Examples:
      hodhod migrate up
      HODHOD__DATABASE__URL=postgresql://hodhod@db/hodhod hodhod migrate up --json
    """
    applied = asyncio.run(migrations.up(chosen_database(data_dir)))
    _print([msgspec.structs.replace(migration, applied=True) for migration in applied], as_json)
    if not applied and not as_json:
        click.echo("nothing to apply")


@migrate.command()
@database_options
def status(data_dir: Path | None, as_json: bool) -> None:
    """Every migration and whether the database has it.

    \b
    Examples:
      hodhod migrate status
      hodhod migrate status --data-dir .hodhod --json
    """
    _print(asyncio.run(migrations.status(chosen_database(data_dir))), as_json)


def _print(listed: Sequence[Migration], as_json: bool) -> None:
    if as_json:
        rows = [
            {"version": item.version, "name": item.name, "applied": item.applied} for item in listed
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    for item in listed:
        click.echo(f"{'applied' if item.applied else 'missing'}  {item.name}")
