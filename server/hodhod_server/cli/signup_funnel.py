"""`hodhod signup funnel`: of those who asked for a code, how many got where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from hodhod_server.cli.database_choice import chosen_database, database_options
from hodhod_server.cli.moments import Moment
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.errors import Overloaded
from hodhod_server.services.funnel import By, Funnel, FunnelRow, Funnels
from hodhod_server.settings import DatabaseSettings
from hodhod_server.sms.breaker import Health
from hodhod_server.store.database import open_database

UNKNOWN: Final = "–"
HEADS: Final = (
    *("", "asked", "handed over", "taken", "delivered", "no receipt", "seen", "verified", "share"),
    *("p50 s", "p95 s", "texts each", "cost"),
)


@click.command()
@click.option(
    "--since",
    type=Moment(),
    default="1h",
    show_default=True,
    help="Codes asked for since: 30m, 1h, 2d, or a date such as 2026-11-23T10:00 (UTC).",
)
@click.option(
    "--by",
    type=click.Choice([str(by) for by in By]),
    default=str(By.PROVIDER),
    show_default=True,
    help="What the rows are of.",
)
@database_options
def funnel(since: datetime, by: str, data_dir: Path | None, as_json: bool) -> None:
    """Codes asked for, handed over, taken, delivered, seen, typed.

    A typed code counts for the newest text before it. Seconds are from a row's first hand-off to
    the person until the code was typed; `share` is of the people it was handed over for; `texts
    each` are the texts that one typed code took. A dash: not known.

    \b
    Examples:
      hodhod signup funnel
      hodhod signup funnel --since 30m --by operator
      hodhod signup funnel --since 2026-11-23T10:00 --by kind --json
    """
    try:
        counted = asyncio.run(_count(chosen_database(data_dir), since, By(by)))
    except Overloaded:
        raise click.ClickException(
            "the database is gone, or gave up counting: try a later --since, or raise "
            "database.statement_timeout_s"
        ) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(counted)).decode())
        return
    click.echo(f"since {since:%Y-%m-%d %H:%M} UTC, by {by}")
    for line in _table([HEADS, *map(_cells, [*counted.rows, counted.total])]):
        click.echo(line)
    for note in _notes(counted):
        click.echo(note)


async def _count(database: DatabaseSettings, since: datetime, by: By) -> Funnel:
    async with open_database(database, "signup-funnel") as opened:
        return await Funnels(opened, SystemClock()).count(since, by)


def _cells(row: FunnelRow) -> tuple[str, ...]:
    share = row.share_verified
    return (
        row.name or "(unknown)",
        _count_of(row.asked),
        _count_of(row.handed_over),
        _count_of(row.taken),
        _count_of(row.delivered),
        _count_of(row.without_receipt),
        _count_of(row.seen),
        _count_of(row.verified),
        UNKNOWN if share is None else f"{100 * share:.1f} %",
        _decimal(row.p50_s, 1),
        _decimal(row.p95_s, 1),
        _decimal(row.texts_per_success, 2),
        _count_of(row.cost),
    )


def _count_of(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _decimal(value: float | None, places: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])


def _notes(counted: Funnel) -> Iterator[str]:
    """What the table cannot say, or does not know."""
    counts = {
        "asked, and nothing was handed over for them yet": counted.untried,
        "hand-offs without an answer: under way, or their process died": counted.unanswered,
        "proved their number without typing a code": counted.verified_otherwise,
        "cancelled": counted.cancelled,
        "texts whose cost nobody has told: not in the sum": counted.total.without_cost,
        "texts older than what is kept of their challenge: nobody knows whether they were typed":
        counted.forgotten,
    }  # fmt: skip
    for words, count in counts.items():
        if count:
            yield f"{count:,} {words}"
    for row in counted.rows:
        if row.taken and row.delivered is None:
            yield f"{row.name}: no receipt has come; `delivered` is not known"
    if counted.told_at is None:
        yield "no process has ever dispatched: no code leaves; how providers stand is not known"
    elif not counted.is_dispatched:
        silent_s = (counted.until - counted.told_at).total_seconds()
        yield f"no process has dispatched for {silent_s:,.0f} s: no code leaves"
    for breaker in counted.breakers:
        if breaker.state is not Health.OK:
            cause = f" ({breaker.cause})" if breaker.cause else ""
            pause = f", tried again in {breaker.open_for_s:.0f} s" if breaker.open_for_s else ""
            yield f"{breaker.provider}: {breaker.state}{cause}, opened {breaker.openings}×{pause}"
    if counted.breakers and all(breaker.state is Health.OK for breaker in counted.breakers):
        yield "every provider is in use"
