"""`hodhod media`: where the bytes of files lie, and whether they are sound."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from hodhod_server import settings
from hodhod_server.blobs.opening import open_blobs, open_store
from hodhod_server.cli.database_choice import chosen_database, database_options
from hodhod_server.domain.clock import SystemClock
from hodhod_server.engines import StartFailed
from hodhod_server.services.moving import Moved, Moving
from hodhod_server.services.scrubbing import Finding, Scrubbing
from hodhod_server.settings import DatabaseSettings, MediaSettings
from hodhod_server.store.database import open_database

STORES = click.Choice(["files", "s3"])


@click.group()
def media() -> None:
    """Look after the bytes of files.

    \b
    Examples:
      hodhod media move --from files --to s3
      hodhod media scrub
    """


@media.command()
@click.option("--from", "source", type=STORES, required=True, help="The store to empty.")
@click.option("--to", "target", type=STORES, required=True, help="The store to fill.")
@database_options
def move(source: str, target: str, data_dir: Path | None, as_json: bool) -> None:
    """Move every finished file to another store, compared before the first copy goes.

    Set media.store to the new store and media.read_also to the old one, and restart, before this.
    Files under way stay where they are: run it again until none is left. A run that was cut off is
    run again, too.

    \b
    Examples:
      hodhod media move --from files --to s3
      hodhod media move --from s3 --to files --json
    """
    if source == target:
        raise click.UsageError("--from and --to name the same store")
    own = settings.load().media
    moved = asyncio.run(_move(chosen_database(data_dir), own, source, target))
    if as_json:
        click.echo(msgspec.json.encode(moved).decode())
    else:
        click.echo(f"moved {moved.blobs} files, {moved.bytes} bytes; {moved.left} under way")
    if moved.differing:
        raise StartFailed(f"{moved.differing} files read back otherwise: they stay where they are")


@media.command()
@click.option("--bytes-per-s", type=int, help="How fast to read; as set, where it is not given.")
@database_options
def scrub(bytes_per_s: int | None, data_dir: Path | None, as_json: bool) -> None:
    """Read every file and compare it with its recorded length and SHA-256.

    Files that differ are logged with their ids; the exit status is 1 then.

    \b
    Examples:
      hodhod media scrub
      hodhod media scrub --bytes-per-s 200000000 --json
    """
    own = settings.load().media
    speed = bytes_per_s or own.scrub_bytes_per_s
    found = asyncio.run(_scrub(chosen_database(data_dir), own, speed))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo("  ".join(f"{finding}: {count}" for finding, count in found.items()))
    unsound = sum(found.values()) - found[Finding.SOUND]
    if unsound:
        raise StartFailed(f"{unsound} files are not what they were; their ids are in the log")


async def _move(database: DatabaseSettings, own: MediaSettings, source: str, target: str) -> Moved:
    clock = SystemClock()
    async with (
        open_database(database, "cli") as opened,
        open_store(source, own, clock) as old,
        open_store(target, own, clock) as new,
    ):
        return await Moving(opened, old, new).move(_tell)


def _tell(moved: Moved) -> None:
    click.echo(f"{moved.blobs} files, {moved.bytes} bytes", err=True)


async def _scrub(
    database: DatabaseSettings, own: MediaSettings, bytes_per_s: int
) -> dict[Finding, int]:
    clock = SystemClock()
    async with open_database(database, "cli") as opened, open_blobs(own, clock) as blobs:
        return await Scrubbing(opened, blobs, clock, bytes_per_s=bytes_per_s).scrub(clock.now())
