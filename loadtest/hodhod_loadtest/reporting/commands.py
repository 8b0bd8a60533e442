"""`hodhod-loadtest report` and `compare`: from recordings to pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hodhod_loadtest.judging.measures import UnknownMeasure
from hodhod_loadtest.judging.verdict import Verdict
from hodhod_loadtest.recording.model import Recording, RecordingUnreadable
from hodhod_loadtest.reporting import page
from hodhod_loadtest.reporting.compare import write_comparison
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.report import write_report

ENGLISH = Language("en")
_RECORDING = click.Path(exists=True, path_type=Path)
_LANGUAGE = click.option(
    "--language",
    type=click.Choice(["fa", "en", "both"]),
    default="both",
    show_default=True,
    help="Of the page; with both it opens in Persian and can be switched.",
)


@click.command()
@click.argument("recording", type=_RECORDING)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page; summary.json goes beside it. Default: report.html beside the recording.",
)
@_LANGUAGE
def report(recording: Path, out: Path | None, language: str) -> None:
    """Make a run's recording into one HTML file, which needs no network, and summary.json.

    RECORDING is a recording.json or the folder that it lies in. Exit 1 unless the run passed.

    \b
    Example: hodhod-loadtest report build/surge
    """
    told, path = _read(recording)
    page_path = out or path.with_name("report.html")
    try:
        verdict = write_report(told, page_path, _languages(language))
    except UnknownMeasure as error:
        raise click.ClickException(f"{path}: {error}") from error
    for line in lines(verdict):
        click.echo(line)
    click.echo(f"{verdict.word}: {page_path}")
    if verdict.word != "pass":
        raise click.ClickException(verdict.why or "not every goal was met")


@click.command()
@click.argument("a", type=_RECORDING)
@click.argument("b", type=_RECORDING)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/compare.html"),
    show_default=True,
)
@_LANGUAGE
def compare(a: Path, b: Path, out: Path, language: str) -> None:
    """Lay run B over run A: what differs, by how much, and whether that is more than chance.

    \b
    Example: hodhod-loadtest compare build/before build/after
    """
    comparison = write_comparison(_read(a)[0], _read(b)[0], out, _languages(language))
    for one in comparison.differences:
        word = "counted" if one.chance is None else "REAL" if one.is_real else "chance"
        pair = f"{ENGLISH.quantity(one.a, one.unit)} → {ENGLISH.quantity(one.b, one.unit)}"
        click.echo(f"{word:7} {one.measure}: {pair}")
    real, every = len(comparison.real), len(comparison.estimated)
    click.echo(f"{real} of {every} comparisons are more than chance: {out}")


def lines(verdict: Verdict) -> list[str]:
    """A verdict for a terminal, a goal a line."""
    told = [f"  the generator: {verdict.why}"] if verdict.word == "void" else []
    for finding in verdict.findings:
        mark = "met" if finding.ok else "MISSED"
        measured = ENGLISH.quantity(finding.measured, finding.unit)
        goal = ENGLISH.goal(finding.slo.goal, finding.unit, finding.slo.is_most)
        bounds = ENGLISH.span(finding.low, finding.high, finding.unit)
        told.append(f"  {mark:6} {finding.slo.name}: {measured} (95 %: {bounds}; {goal})")
    return told


def _read(path: Path) -> tuple[Recording, Path]:
    """The recording and where it lies."""
    file = path / "recording.json" if path.is_dir() else path
    try:
        return Recording.read(file), file
    except (RecordingUnreadable, OSError) as error:
        raise click.ClickException(str(error)) from error


def _languages(language: str) -> Sequence[Language]:
    return page.LANGUAGES if language == "both" else (Language(language),)
