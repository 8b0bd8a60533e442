"""The report of one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hodhod_loadtest.judging.verdict import Verdict, evidences, summary, weigh
from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.reporting import page, sections, sections_measured
from hodhod_loadtest.reporting.figures import figures
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element
from hodhod_loadtest.reporting.plot import SECONDS_MAX
from hodhod_loadtest.reporting.sections import Report

ORDER: Final = (
    ("verdict", sections.verdict),
    ("first", sections.first),
    ("latency", sections_measured.latency),
    ("spectrum", sections_measured.spectrum),
    ("control title", sections.control),
    ("throughput", sections_measured.throughput),
    ("server", sections_measured.server),
    ("providers", sections_measured.providers),
    ("happenings", sections_measured.happenings),
    ("promises", sections_measured.promises),
    ("errors", sections_measured.errors),
    ("environment", sections.environment),
)


def write_report(
    recording: Recording, out: Path, languages: Sequence[Language] = page.LANGUAGES
) -> Verdict:
    """The page, and `summary.json` beside it. Raises `UnknownMeasure`."""
    evidence, control = evidences(recording)
    verdict = weigh(evidence, control)
    drawn = figures(evidence, control)
    report = Report(recording, verdict, evidence, control, frozenset(drawn))

    def title(say: Language) -> str:
        return say.text("title", scenario=recording.scenario)

    page.write(out, title, lambda say: _body(report, say), drawn, languages)
    summary(evidence, control, verdict).write(out.with_name("summary.json"))
    return verdict


def _body(report: Report, say: Language) -> Html:
    told = [(key, make(report, say)) for key, make in ORDER]
    there = [(key, html) for key, html in told if html is not None]
    links = [(sections.anchor(say, key), say.text(key)) for key, _ in there[1:]]
    verdict, *others = (html for _, html in there)
    return page.all_of(
        element("p", _about(report.recording, say), class_="soft"),
        verdict,
        page.contents(links, say.text("contents")),
        *others,
    )


def _about(recording: Recording, say: Language) -> str:
    minutes = say.text("minutes", number=say.number(round(recording.seconds / 60, 1)))
    if recording.seconds <= SECONDS_MAX:
        minutes = say.quantity(round(recording.seconds), "s")
    seed = say.digits(str(recording.seed))
    people = recording.total("arrived.newcomers")
    if not people:
        return say.text("header, no people", minutes=minutes, seed=seed)
    return say.text(
        "header",
        people=say.number(people),
        returns=say.number(recording.total("arrived.returners")),
        minutes=minutes,
        seed=seed,
    )
