"""The sections of a report that show what was measured: figures, and the same in numbers."""

from __future__ import annotations

from collections.abc import Iterator

from hodhod_loadtest.judging.evidence import Evidence, Stretch
from hodhod_loadtest.judging.latencies import Numbers
from hodhod_loadtest.judging.measures import named
from hodhod_loadtest.judging.of_server import ROLES
from hodhod_loadtest.recording.model import Happening
from hodhod_loadtest.reporting.figures import IN_SECONDS, KINDS, in_use
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element, table, together
from hodhod_loadtest.reporting.sections import Report, plot, section

QUANTILES = ("p50", "p90", "p99", "p999")


def latency(report: Report, say: Language) -> Html | None:
    """Percentiles in the course of the run: messages large, the others smaller."""
    kinds = [kind for kind in KINDS if f"latency.{kind}" in report.figures]
    if not kinds:
        return None
    drawn = {kind: _latency(report, say, kind) for kind in kinds}
    large = drawn.pop("message", None)
    small = element("div", drawn.values(), class_="pair") if drawn else None
    return section(say, "latency", large, small)


def _latency(report: Report, say: Language, kind: str) -> Html:
    title = say.text("latency of", kind=say.text(f"kind.{kind}"))
    heads = [say.text(f"quantile.{label}") for label in QUANTILES]
    heads = [say.text("phase"), say.text("count"), *heads, say.text("longest")]
    rows = list(_by_phase(report.evidence, say, kind))
    return plot(report, say, f"latency.{kind}", title, table(heads, rows, title))


def _by_phase(evidence: Evidence, say: Language, kind: str) -> Iterator[list[str]]:
    stretches: list[tuple[str, Stretch]] = [
        (say.named("phase", phase.kind), phase.name) for phase in evidence.recording.phases
    ]
    scale, unit = (1e6, "s") if kind in IN_SECONDS else (1e3, "ms")
    for name, stretch in [*stretches, (say.text("whole run"), None)]:
        told = evidence.latencies_in(kind, stretch)
        if told is None:
            continue
        shares = [0.5, 0.9, 0.99, 0.999, 1.0]
        cells = [say.quantity(told.quantile_us(share) / scale, unit) for share in shares]
        yield [name, say.number(round(told.total)), *cells]


def spectrum(report: Report, say: Language) -> Html | None:
    """How slow the slowest are."""
    if "spectrum" not in report.figures:
        return None
    note = element("p", say.text("spectrum note"), class_="soft")
    return section(say, "spectrum", note, plot(report, say, "spectrum", say.text("kind.message")))


def throughput(report: Report, say: Language) -> Html | None:
    """What came through, and who came."""
    if not {"throughput", "people"} & report.figures:
        return None
    rows = [
        [say.text(f"series.{name}"), say.number(rows.sum()), say.number(rows.max())]
        for name, rows in _people(report.evidence)
    ]
    heads = [say.text("people"), say.text("total"), say.text("most per s")]
    return section(
        say,
        "throughput",
        element(
            "div",
            plot(report, say, "throughput", say.text("messages received")),
            plot(report, say, "people", say.text("people"), table(heads, rows, say.text("people"))),
            class_="pair",
        ),
    )


def _people(evidence: Evidence) -> Iterator[tuple[str, Numbers]]:
    for area in ("arrived", "in"):
        for name in ("newcomers", "returners"):
            if f"{area}.{name}" in evidence.recording.counts:
                yield f"{area}.{name}", evidence.counted(f"{area}.{name}")


def server(report: Report, say: Language) -> Html | None:
    """CPU, memory, lag and waits by role."""
    names = ("cpu", "rss", "loop_lag", "pool_wait")
    drawn = [plot(report, say, f"server.{name}", say.text(name)) for name in names]
    if not any(drawn):
        return None
    heads = [say.text(key) for key in ("role", "cpu mean", "rss most", "lag most", "wait most")]
    columns = ("cores", "rss_mib", "loop_lag_p99_ms", "pool_wait_p99_ms")
    rows = []
    for role in ROLES:
        if role in report.evidence.recording.server:
            measures = [named(f"server.{role}.{column}") for column in columns]
            told = [(measure, measure.of(report.evidence)) for measure in measures]
            cells = [
                say.quantity(estimate.measured, measure.unit) if estimate else "–"
                for measure, estimate in told
            ]
            rows.append([role, *cells])
    numbers = table(heads, rows, say.text("server"))
    summary = element("summary", say.text("in numbers"))
    pairs = element("div", drawn, class_="pair")
    return section(say, "server", pairs, element("details", summary, numbers))


def providers(report: Report, say: Language) -> Html | None:
    """Each provider's funnel, what the router thought of it, and what happened when."""
    used = in_use(report.recording)
    if not used:
        return None
    heads = ("provider", "handed", "refused", "delivered", "verified", "state at end")
    rows = []
    for name, samples in used.items():
        end = samples[-1]
        numbers = [end.handed, end.refused, end.delivered, end.verified]
        told = [say.number(number) for number in numbers]
        rows.append([name, *told, say.named("state", end.state)])
    funnel = table([say.text(head) for head in heads], rows, say.text("providers"), "cards")
    pairs = element(
        "div",
        plot(report, say, "funnel", say.text("funnel")),
        plot(report, say, "handed", say.text("handed over time")),
        class_="pair",
    )
    return section(say, "providers", pairs, funnel)


def happenings(report: Report, say: Language) -> Html | None:
    """Faults on schedule, breakers, and what the server did."""
    told = report.recording.happenings
    if not told:
        return None
    heads = [say.text("moment"), say.text("kind of"), say.text("what")]
    rows = [_happening(one, say) for one in told]
    return section(say, "happenings", table(heads, rows, say.text("happenings")))


def _happening(one: Happening, say: Language) -> list[str]:
    what = element("bdi", one.what.removesuffix(" ()"), class_="ltr")
    return [say.moment(one.at_s), say.named("happening", one.kind), what]


def promises(report: Report, say: Language) -> Html | None:
    """What people were told to wait, and how long they did."""
    if "promises" not in report.figures:
        return None
    note = element("p", say.text("promises note"), class_="soft")
    kept = named("promises.kept").of(report.evidence)
    rows = [[say.text("people told"), say.number(len(report.recording.promises))]]
    if kept is not None:
        rows.append([say.text("measure.promises.kept"), say.quantity(kept.measured, "share")])
    numbers = table([say.text("what"), say.text("measured")], rows, say.text("promises"))
    drawn = plot(report, say, "promises", say.text("promises"), numbers)
    return section(say, "promises", note, drawn)


def errors(report: Report, say: Language) -> Html:
    """By kind, refusals apart."""
    rows = [
        [element("bdi", name, class_="ltr"), say.text(word), say.number(counts.sum())]
        for area, word in (("error", "error"), ("refused", "refusal"))
        for name, counts in sorted(
            report.evidence.counted_of(area).items(), key=lambda item: -float(item[1].sum())
        )
        if counts.any()
    ]
    if not rows:
        return section(say, "errors", element("p", say.text("none")))
    heads = [say.text("what"), say.text("kind of"), say.text("count")]
    note = element("p", say.text("errors note"), class_="soft")
    title = say.text("errors")
    return section(
        say, "errors", together(note, plot(report, say, "errors", title)), table(heads, rows, title)
    )
