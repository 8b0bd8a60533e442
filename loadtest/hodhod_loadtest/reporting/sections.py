"""The sections of a report that say what it came to: verdict, first break, control, setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.judging.breaks import Break
from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.verdict import Finding, Verdict
from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element, table, together

VIOLATIONS_MAX: Final = 20
_UNITS: Final = {"loop_lag": "ms", "pool_wait": "ms", "machine": "cores", "provider": "share"}


@dataclass(frozen=True, slots=True)
class Report:
    """All that a section may speak of."""

    recording: Recording
    verdict: Verdict
    evidence: Evidence
    control: Evidence | None
    figures: frozenset[str]
    """Names of those that there are."""


def section(say: Language, key: str, *children: Html | str | None) -> Html:
    """With a heading that the contents lead to."""
    heading = element("h2", say.text(key), id=anchor(say, key))
    return element("section", heading, *children, aria_labelledby=anchor(say, key))


def anchor(say: Language, key: str) -> str:
    """Both languages are in one document, so their anchors differ."""
    return f"{say.code}-{key.replace(' ', '-')}"


def plot(report: Report, say: Language, name: str, title: str, numbers: Html | None = None) -> Html:
    """A figure, and its numbers for whoever does not see it; nothing where there is none."""
    if name not in report.figures:
        return Html("")
    details = numbers and element("details", element("summary", say.text("in numbers")), numbers)
    return drawing(name, title, details)


def drawing(name: str, title: str, beneath: Html | None = None) -> Html:
    """A figure with its title."""
    drawn = element("div", class_="plot", data_figure=name, role="img", aria_label=title)
    caption = element("figcaption", title[:1].upper() + title[1:])
    return element("figure", caption, drawn, beneath)


def verdict(report: Report, say: Language) -> Html:
    """The word, and every goal with what was measured."""
    told = report.verdict
    banner = element(
        "div",
        element("b", say.text(f"word.{told.word}")),
        element("p", _why(told, say)),
        class_=f"verdict {told.word}",
        role="status",
    )
    heads = ["goal", "must be", "measured", "interval", "verdict"]
    heads[4:4] = ["control"] if told.control else []
    beside: Sequence[Finding | None] = told.control or [None] * len(told.findings)
    rows = [
        _goal(finding, other, say) for finding, other in zip(told.findings, beside, strict=True)
    ]
    goals = table([say.text(head) for head in heads], rows, say.text("verdict note"), "cards told")
    return section(say, "verdict", banner, goals if rows else None, _violations(report, say))


def _why(told: Verdict, say: Language) -> str:
    if told.word == "void":
        return say.text("void because", why=told.why)
    if not told.broken:
        return say.text("every goal")
    missed, every = len(told.broken), len(told.findings)
    return say.text("missed", missed=say.number(missed), all=say.number(every))


def _goal(finding: Finding, other: Finding | None, say: Language) -> list[str]:
    """The scenario's own name for a goal stands beneath ours."""
    name, own = say.measure(finding.slo.measure), finding.slo.name
    head = together(name, element("span", element("bdi", own), class_="own"))
    mark = ("met", "✓", "kept") if finding.ok else ("missed", "✗", "broken")
    cells = [
        head,
        say.goal(finding.slo.goal, finding.unit, finding.slo.is_most),
        say.quantity(finding.measured, finding.unit),
        say.span(finding.low, finding.high, finding.unit),
    ]
    if other is not None:
        looks = "met" if other.ok else "missed"
        sign = "✓" if other.ok else "✗"
        quantity = say.quantity(other.measured, other.unit)
        cells.append(element("span", f"{sign} {quantity}", class_=looks))
    return [*cells, element("span", f"{mark[1]} {say.text(mark[2])}", class_=mark[0])]


def _violations(report: Report, say: Language) -> Html | None:
    seen = report.recording.violations
    if not seen:
        return None
    rows = [element("li", element("bdi", one)) for one in seen[:VIOLATIONS_MAX]]
    if len(seen) > VIOLATIONS_MAX:
        rows.append(element("li", f"+ {say.number(len(seen) - VIOLATIONS_MAX)}"))
    return together(element("h3", say.text("violations")), element("ul", rows))


def first(report: Report, say: Language) -> Html:
    """In the order in which goals and parts left their bounds."""
    found = report.verdict.breaks
    said = [one.what for one in report.recording.happenings if one.kind == "server"]
    told = [element("p", element("bdi", what)) for what in said]
    if not found:
        return section(say, "first", *(told or [element("p", say.text(_calm(report)))]))
    is_calm = not any(item.what == "goal" for item in found)
    intro = element("p", say.text(_strained(report))) if is_calm else None
    heads = [say.text(key) for key in ("moment", "phase", "what", "seen", "bound")]
    kinds = {phase.name: phase.kind for phase in report.recording.phases}
    rows = [_break(item, kinds.get(item.phase, item.phase), say) for item in found]
    return section(say, "first", *told, intro, table(heads, rows, say.text("first"), "cards"))


def _calm(report: Report) -> str:
    return "no part broke" if report.verdict.broken else "nothing broke"


def _strained(report: Report) -> str:
    return "parts strained" if report.verdict.broken else "no goal broke"


def _break(item: Break, phase: str, say: Language) -> list[str]:
    unit = _UNITS.get(item.what, "ms")
    who = say.measure(item.who) if item.what == "goal" else item.who
    return [
        say.moment(item.at_s),
        say.named("phase", phase),
        say.text(f"break.{item.what}", who=who),
        say.quantity(item.seen, unit),
        say.quantity(item.bound, unit) if item.bound else "–",
    ]


def control(report: Report, say: Language) -> Html | None:
    """The same run with what it is to prove turned off."""
    if report.control is None:
        return None
    note = say.text("control note", scenario=report.control.recording.scenario)
    health = report.control.recording.generator
    warning = None
    if health is not None and not health.is_valid:
        warning = element("p", say.text("control void", why=health.why), class_="notice")
    elif report.verdict.is_control_broken is False:
        warning = element("p", say.text("control whole"), class_="notice")
    title = say.text("latency of", kind=say.text("kind.message"))
    return section(
        say,
        "control title",
        element("p", note, class_="soft"),
        warning,
        plot(report, say, "control", title),
    )


def environment(report: Report, say: Language) -> Html:
    """Where it ran, and how to run it again."""
    recording = report.recording
    told: dict[str, object] = {
        "started_at": recording.started_at,
        "seed": recording.seed,
        "seconds": round(recording.seconds, 1),
        **recording.environment,
    }
    rows = [[say.named("environment", key), _value(value, say)] for key, value in told.items()]
    heads = [say.text("setting"), say.text("value")]
    return section(
        say,
        "environment",
        element("h3", say.text("reproduce")),
        element("pre", recording.command, dir="ltr"),
        _generator(report, say),
        table(heads, rows, say.text("environment"), "facts"),
    )


def _value(value: object, say: Language) -> Html:
    if isinstance(value, bool):
        return element("span", say.text("yes" if value else "no"))
    return element("bdi", str(value), class_="ltr")


def _generator(report: Report, say: Language) -> Html | None:
    health = report.recording.generator
    if health is None:
        return None
    told = say.text(
        "generator told",
        lag=say.quantity(health.lag_p99_ms, "ms"),
        cpu=say.quantity(health.cpu_s, "s"),
        processes=say.number(health.processes),
    )
    drawn = plot(report, say, "generator", say.text("generator lag"))
    return together(element("h3", say.text("generator")), element("p", told), drawn)
