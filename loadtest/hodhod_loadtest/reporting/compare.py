"""The page that lays two runs over one another, and says which differences are real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hodhod_loadtest.judging.comparison import Comparison, Difference, compare
from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.reporting import page
from hodhod_loadtest.reporting.figures import KINDS, latencies_beside, spectrum
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element, table, together
from hodhod_loadtest.reporting.plot import Figure
from hodhod_loadtest.reporting.sections import drawing, section

LOOKS = (("run.a", "soft"), ("run.b", "p99"))


def write_comparison(
    a: Recording, b: Recording, out: Path, languages: Sequence[Language] = page.LANGUAGES
) -> Comparison:
    """The page."""
    told = compare(a, b)
    both = Evidence(a), Evidence(b)
    drawn = _figures(both)

    def title(say: Language) -> str:
        return say.text("title compare")

    def body(say: Language) -> Html:
        return page.all_of(
            _runs((a, b), say), _differences(told, say), _setups(told, say), _drawn(drawn, say)
        )

    page.write(out, title, body, drawn, languages)
    return told


def _figures(both: tuple[Evidence, Evidence]) -> dict[str, Figure]:
    drawn = {}
    for kind in KINDS:
        spectra = [
            (f"@{name}", colour, of.latencies_in(kind, None))
            for (name, colour), of in zip(LOOKS, both, strict=True)
        ]
        if all(told is not None for _, _, told in spectra):
            drawn[f"spectrum.{kind}"] = spectrum(kind, iter(spectra))
    runs = [(f"@{name}", colour, of) for (name, colour), of in zip(LOOKS, both, strict=True)]
    if "spectrum.message" in drawn:
        drawn["over time"] = latencies_beside(both[1].recording, runs)
    return drawn


def _runs(runs: tuple[Recording, Recording], say: Language) -> Html:
    heads = [say.text(key) for key in ("run", "environment.scenario", "environment.seed")]
    heads += [say.text("environment.started_at"), say.text("reproduce")]
    rows = [
        [
            say.text(name),
            run.scenario,
            say.digits(str(run.seed)),
            element("bdi", run.started_at, class_="ltr"),
            element("code", element("bdi", run.command, class_="ltr")),
        ]
        for (name, _), run in zip(LOOKS, runs, strict=True)
    ]
    return table(heads, rows, say.text("title compare"), "cards")


def _differences(told: Comparison, say: Language) -> Html:
    note = say.text(
        "compared note", real=say.number(len(told.real)), all=say.number(len(told.estimated))
    )
    heads = ("measure", "run.a", "run.b", "difference", "interval", "real")
    rows = [_difference(difference, say) for difference in told.differences]
    numbers = table([say.text(head) for head in heads], rows, say.text("differences"), "cards")
    return section(say, "differences", element("p", note), numbers)


def _difference(one: Difference, say: Language) -> list[str]:
    word = "no interval" if one.chance is None else "is real" if one.is_real else "is chance"
    scale = 100 / abs(one.a) if one.a and one.low is not None else None
    change = one.b - one.a
    return [
        say.measure(one.measure),
        say.quantity(one.a, one.unit),
        say.quantity(one.b, one.unit),
        say.change(change * 100 / abs(one.a)) if one.a else "–",
        "–"
        if scale is None or one.low is None or one.high is None
        else say.text(
            "from to", low=say.change(one.low * scale), high=say.change(one.high * scale)
        ),
        element("span", say.text(word), class_="missed" if one.is_real else None),
    ]


def _setups(told: Comparison, say: Language) -> Html | None:
    if not told.setups:
        return None
    heads = [say.text(key) for key in ("setting", "run.a", "run.b")]
    rows = [
        [
            say.named("environment", key),
            *(element("bdi", value, class_="ltr") for value in pair),
        ]
        for key, pair in told.setups.items()
    ]
    note = element("p", say.text("different setups"), class_="notice")
    return section(say, "environment", note, table(heads, rows, say.text("environment")))


def _drawn(drawn: dict[str, Figure], say: Language) -> Html | None:
    if not drawn:
        return None
    large = ""
    if "over time" in drawn:
        large = drawing("over time", say.text("latency of", kind=say.text("kind.message")))
    small = [
        drawing(name, say.text(f"kind.{name.partition('.')[2]}"))
        for name in drawn
        if name.startswith("spectrum.")
    ]
    pairs = element("div", small, class_="pair")
    return together(section(say, "latency", large), section(say, "spectrum", pairs))
