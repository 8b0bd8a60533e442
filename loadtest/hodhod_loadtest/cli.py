"""`hodhod-loadtest`: the demo and the benchmarks; scenarios, reports, comparisons as they come."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from hodhod import HodhodError
from hodhod_loadtest.bench import report, suite
from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.bench.target import Plan
from hodhod_loadtest.demo.story import PromiseBroken, tell_story
from hodhod_loadtest.local_server import ServerFailed


class NotYet(click.ClickException):
    """Something that has a name already and nothing behind it."""

    exit_code = 2


@click.group()
def main() -> None:
    """Drive a Hodhod server from outside."""


@main.command()
def demo() -> None:
    """Tell the main job line by line on a private server; exit 0 only if everything held.

    Example: hodhod-loadtest demo
    """
    started = time.monotonic()

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {line}")

    try:
        asyncio.run(tell_story(tell))
    except (PromiseBroken, ServerFailed, HodhodError, TimeoutError) as failure:
        what = str(failure) or type(failure).__name__
        raise click.ClickException(f"this did not hold: {what}") from None
    tell("everything held")


@main.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/bench.json"),
    show_default=True,
    help="Where the figures are written; the environment goes to a file beside it.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(suite.NAMES),
    metavar="NAME",
    help=f"Take this figure; may be repeated. One of {', '.join(suite.NAMES)}.",
)
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(0.2, 600),
    default=5.0,
    show_default=True,
    help="How long each run under load is timed.",
)
def bench(out: Path, only: tuple[str, ...], runs: int, seconds: float) -> None:
    """Measure a private server on this machine: what it does for its CPU, how long people wait.

    Minutes of full load on loopback. Prints a table, writes JSON.

    \b
    Examples:
      hodhod-loadtest bench
      hodhod-loadtest bench --only signups_per_server_cpu_s --runs 5
    """
    about = environment()
    plan = Plan(runs=runs, seconds=seconds, tell=lambda line: click.echo(f"  {line}", err=True))
    outcome = suite.run(plan, only)
    beside = suite.write(outcome, plan, about, out)
    for line in report.lines(outcome):
        click.echo(line)
    click.echo(f"{out}; where and how it was measured: {beside}", err=True)
    if outcome.has_failed:
        raise click.ClickException("not everything could be measured: the table says why")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/surge"))
def surge(out: Path) -> None:
    """The surge scenario: not part of this release yet."""
    del out
    raise NotYet("the surge scenario is not part of this release yet")
