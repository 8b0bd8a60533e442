"""`hodhod-loadtest plan`: how many machines; with `--check`, how far to believe it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from hodhod_loadtest.planning import check, costs, telling
from hodhod_loadtest.planning.costs import NothingMeasured
from hodhod_loadtest.planning.curve import Load
from hodhod_loadtest.planning.demand import Demand, Terms
from hodhod_loadtest.planning.model import plan
from hodhod_loadtest.planning.runs import load_of
from hodhod_loadtest.recording.model import Recording, RecordingUnreadable

Command = TypeVar("Command", bound=Callable[..., Any])
OFF_MOST: Final = 0.25
"""So far a prediction may be off: measurements of one rate differ by as much."""


def _options(*kinds: type[Demand] | type[Terms]) -> Callable[[Command], Command]:
    """One for each assumption, under its own name."""

    def add(command: Command) -> Command:
        for kind in reversed(kinds):
            for field in reversed(fields(kind)):
                kept = int if isinstance(field.default, int) else float
                option = f"--{field.name.replace('_', '-')}"
                command = click.option(
                    option, field.name, type=kept, default=field.default, show_default=True
                )(command)
        return command

    return add


@click.command("plan")
@_options(Demand, Terms)
@click.option(
    "--measured",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=costs.KEPT,
    help="Folder with bench.json and bench-environment.json.  [default: those kept with the code]",
)
@click.option(
    "--check",
    "other",
    type=click.Path(exists=True, path_type=Path),
    help="Do not plan, predict: what this folder or recording.json measured; of the folder that is"
    " --measured itself, each rate from the others.",
)
@click.option("--json", "as_json", is_flag=True)
def plan_command(measured: Path, other: Path | None, as_json: bool, **given: float) -> None:
    """How many machines so many people need, from what was measured.

    Every assumption is an option and is told with the plan. Exit 1 where a check is too far off.

    \b
    Examples:
      hodhod-loadtest plan --users 15e6
      hodhod-loadtest plan --users 2e6 --messages-per-user-day 60 --media-gb-day 4000 --json
      hodhod-loadtest plan --check docs/measurements
    """
    try:
        known = costs.read(measured)
        if other is not None:
            _check(known, measured, other, as_json)
            return
        demand, terms = msgspec.convert(given, Demand), msgspec.convert(given, Terms)
        found = plan(demand, terms, known)
    except (NothingMeasured, RecordingUnreadable, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(telling.as_json(found, demand, terms, known)))
        return
    for line in telling.lines(found, demand, terms, known):
        click.echo(line)


def _check(known: costs.Costs, measured: Path, other: Path, as_json: bool) -> None:
    """Raises `ClickException` where it is too far off, `NothingMeasured`."""
    if known.message is None:
        raise NothingMeasured("no rate of messages was measured")
    if other.resolve() == measured.resolve():
        held = check.leave_one_out(known.message, known.gateways)
    else:
        held = check.against(known.message, *_measured_at(other))
    if as_json:
        click.echo(json.dumps([{**_as_json(each)} for each in held]))
    else:
        for row in telling.check_rows(held):
            click.echo("  ".join(cell.rjust(18) for cell in row))
    if not held or any(abs(each.off_by) > OFF_MOST for each in held):
        raise click.ClickException(f"the model is off by more than {OFF_MOST:.0%}")


def _measured_at(other: Path) -> tuple[Sequence[Load], int]:
    """The loads of another measurement, or of a run, and how many gateways it had."""
    if other.is_file():
        recording = Recording.read(other)
        return [load_of(recording)], int(recording.environment.get("cores", 1))
    found = costs.read(other)
    return (found.message.loads if found.message else []), found.gateways


def _as_json(held: check.Held) -> dict[str, float]:
    return {
        "per_s": held.per_s,
        "predicted_us": held.predicted_us,
        "measured_us": held.measured_us,
        "off_by": held.off_by,
    }
