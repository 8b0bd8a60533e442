"""`hodhod-loadtest`: the demo, the benchmarks, and scenarios."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import uvloop

from hodhod import HodhodError
from hodhod_loadtest.bench import report, suite
from hodhod_loadtest.bench.commands import stall as stall_command
from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.target import Plan
from hodhod_loadtest.demo.story import PromiseBroken, tell_story
from hodhod_loadtest.local_server import ServerFailed
from hodhod_loadtest.locusts.command import locust_worker, locustfile
from hodhod_loadtest.planning.command import plan_command
from hodhod_loadtest.reporting.commands import compare as compare_command
from hodhod_loadtest.reporting.commands import lines as verdict_lines
from hodhod_loadtest.reporting.commands import report as report_command
from hodhod_loadtest.reporting.report import write_report
from hodhod_loadtest.running.companion import InsideFailed
from hodhod_loadtest.running.rehearsal import Options, rehearse
from hodhod_loadtest.scenarios.loading import ScenarioInvalid, load
from hodhod_loadtest.scenarios.model import Scenario
from hodhod_loadtest.selftest.measure import Size, measure
from hodhod_loadtest.signups.cases import CASES, Case
from hodhod_loadtest.signups.verdict import Verdict
from hodhod_loadtest.signups.wave import Run, Wave, compared, run_wave
from hodhod_loadtest.watching.view import watch

SURGE: Final = "surge_70k"
ABOVE_0: Final = click.FloatRange(0, min_open=True)


@click.group()
def main() -> None:
    """Drive a Hodhod server from outside."""


for _command in (
    compare_command,
    locust_worker,
    locustfile,
    plan_command,
    report_command,
    stall_command,
):
    main.add_command(_command)


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
@click.option(
    "--case",
    "names",
    multiple=True,
    type=click.Choice(list(CASES)),
    metavar="NAME",
    help=f"Run this one; may be repeated. One of {', '.join(CASES)}; all of them otherwise.",
)
@click.option("--people", type=click.IntRange(10, 1_000_000), default=60_000, show_default=True)
@click.option("--minutes", type=click.FloatRange(0.1, 600), default=10.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--nice",
    type=click.IntRange(-20, 19),
    default=0,
    show_default=True,
    help="Priority of the generator; below 0 it goes before the server, which takes a privilege.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/signup"))
def signup(
    names: tuple[str, ...], people: int, minutes: float, seed: int, nice: int, out: Path
) -> None:
    """Newcomers against carriers that fail: is the promise of each case kept?

    Starts a private server and simulated carriers. Leaves CASE/summary.json; exit 1 where a promise
    is broken.

    \b
    Examples:
      hodhod-loadtest signup --case healthy
      hodhod-loadtest signup --case silent_mid_surge --people 3000 --minutes 2
    """
    wave = Wave(people=people, seconds=minutes * 60, seed=seed, nice=nice)
    runs: dict[str, Run] = {}
    words = []

    def run(case: Case) -> Run:
        if case.name not in runs:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                click.echo(f"{case.name}: {case.about}", err=True)
                tell = partial(click.echo, err=True)
                runs[case.name] = runner.run(run_wave(case, wave, tell))
        return runs[case.name]

    for name in names or CASES:
        case = CASES[name]
        calm = None if case.against is None else run(CASES[case.against])
        seen = run(case) if calm is None else compared(run(case), calm)
        verdict = Verdict(case, wave, seen)
        command = f"hodhod-loadtest signup --case {name} --people {people} --minutes {minutes:g}"
        verdict.write(out / name / "summary.json", f"{command} --seed {seed}")
        for line in verdict.lines():
            click.echo(line)
        words.append(verdict.word)
    if any(word != "pass" for word in words):
        raise click.ClickException("not every promise was kept")


@main.command("self-test")
@click.option("--scale", type=click.FloatRange(0.05, 10), default=1.0, show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/selftest.json"),
    show_default=True,
)
def self_test(scale: float, out: Path) -> None:
    """How much one core of the generator can do, against a stub: must and measured.

    Prints a table, writes JSON. Exit 1 where it can do less than it must.

    \b
    Example: hodhod-loadtest self-test
    """
    about = environment()
    suite.allow_many_sockets()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        findings = runner.run(measure(Size().scaled(scale)))
    told = {"findings": [finding.as_json() for finding in findings], "environment": about}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    for finding in findings:
        bound = "at most" if finding.is_most else "at least"
        mark = "kept" if finding.is_kept else "BROKEN"
        click.echo(f"{mark:6} {finding.name}: {finding.measured:.5g} ({bound} {finding.must:g})")
    if not all(finding.is_kept for finding in findings):
        raise click.ClickException("a generator like this would measure itself")


def _played(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever plays a scenario."""
    for option in (
        click.option("--scale-people", type=ABOVE_0, help="So many times as many people."),
        click.option("--scale-time", type=ABOVE_0, help="So many times the file's seconds."),
        click.option("--real-time", is_flag=True, help="The file's seconds are seconds."),
        click.option(
            "--share",
            type=click.FloatRange(0, 1, min_open=True),
            default=1.0,
            show_default=True,
            help="Of the whole length, as steep: as many come a second, and fewer in all.",
        ),
        click.option("--seed", type=int, help="Instead of the scenario's own."),
        click.option("--without-control", is_flag=True, help="Leave the negative control out."),
        click.option(
            "--generators",
            type=click.IntRange(1, 64),
            default=1,
            show_default=True,
            help="Processes that play those who are inside; each wants a core.",
        ),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("names", metavar="SCENARIO...", nargs=-1, required=True)
@_played
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/runs"))
def run(names: tuple[str, ...], out: Path, **options: Any) -> None:
    """Play scenarios against private servers: those that come with us by name, or TOML files.

    Leaves recording.json, report.html and summary.json in OUT/SCENARIO; exit 1 unless every goal
    was kept.

    \b
    Examples:
      hodhod-loadtest run chat
      hodhod-loadtest run provider_outage reconnect_storm --scale-people 0.2
      hodhod-loadtest run my.toml --seed 7 --out build/mine
    """
    scenarios = [_load(name) for name in names]
    words = [
        _play(scenario, Options(name=name, out=out / scenario.name, **options))
        for name, scenario in zip(names, scenarios, strict=True)
    ]
    _require_passed(words)


@main.command()
@_played
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/surge"))
def surge(out: Path, **options: Any) -> None:
    """70,000 people sign up and 30,000 return while others chat; then again without isolation.

    About 20 minutes of two cores. Leaves recording.json, report.html and summary.json in OUT; exit
    1 unless every goal was kept.

    \b
    Examples:
      hodhod-loadtest surge
      hodhod-loadtest surge --share 0.1
    """
    _require_passed([_play(_load(SURGE), Options(name=SURGE, out=out, **options))])


def _load(name: str) -> Scenario:
    try:
        return load(name)
    except ScenarioInvalid as complaint:
        raise click.ClickException(str(complaint)) from None


def _play(scenario: Scenario, options: Options) -> str:
    """The verdict in a word."""
    suite.allow_many_sockets()
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        watch(scenario.name, sys.stderr) as view,
    ):
        try:
            recording = runner.run(rehearse(scenario, options, view))
        except* (ServerFailed, InsideFailed, BenchFailed, ConnectionError) as failed:
            raise click.ClickException(f"{scenario.name}: {suite.first_reason(failed)}") from None
    recording.write(options.out / "recording.json")
    page = options.out / "report.html"
    verdict = write_report(recording, page)
    for line in (f"{scenario.name}: {verdict.word}", *verdict_lines(verdict)):
        click.echo(line)
    click.echo(f"  {page}", err=True)
    return verdict.word


def _require_passed(words: Sequence[str]) -> None:
    if "void" in words:
        raise click.ClickException("the generator was late, so a run says nothing: see why")
    if any(word != "pass" for word in words):
        raise click.ClickException("not every goal was kept")
