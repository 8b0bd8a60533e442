"""`hodhod-loadtest stall`: the experiment of docs/explanation/believing-a-load-test.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.pacing import ticking_loop
from hodhod_loadtest.bench.stall import Stalled
from hodhod_loadtest.bench.stall import stall as measure_stalls
from hodhod_loadtest.bench.suite import first_reason
from hodhod_loadtest.bench.target import Plan
from hodhod_loadtest.local_server import ServerFailed


@click.command()
@click.option("--seconds", type=click.FloatRange(10, 600), default=60.0, show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/stall.json"),
    show_default=True,
)
def stall(seconds: float, out: Path) -> None:
    """Stop a private server for 300 ms every 5 s: what an open loop sees of it, and a closed one.

    \b
    Example: hodhod-loadtest stall --out docs/measurements/stall.json
    """
    about = environment()
    plan = Plan(seconds=seconds, pairs=20, tell=lambda line: click.echo(f"  {line}", err=True))
    try:
        with asyncio.Runner(loop_factory=ticking_loop) as runner:
            told = runner.run(measure_stalls(plan))
    except* (BenchFailed, ServerFailed, TimeoutError) as failed:
        raise click.ClickException(first_reason(failed)) from None
    _tell(told, out, about)


def _tell(told: Stalled, out: Path, about: dict[str, object]) -> None:
    figures = told.as_json()
    out.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode({**figures, "environment": about}), indent=1)
    out.write_bytes(text + b"\n")
    for name in ("open", "closed"):
        click.echo(f"{name:6} {figures[name]}")
