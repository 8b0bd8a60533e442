"""Reports: whole without a network, in both languages, and readable on a phone."""

from __future__ import annotations

import re
import string
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from hodhod_loadtest.cli import main
from hodhod_loadtest.judging.measures import MEASURES
from hodhod_loadtest.recording.model import Recording, Slo
from hodhod_loadtest.reporting.compare import write_comparison
from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element
from hodhod_loadtest.reporting.page import LANGUAGES
from hodhod_loadtest.reporting.report import write_report
from hodhod_loadtest.reporting.texts import TEXTS
from tests.headless_browser import Page, browser
from tests.synthetic_recordings import control, full, recording

FA, EN = LANGUAGES
FIGURES = 14


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report and a comparison of runs that were made up."""
    place = tmp_path_factory.mktemp("reports")
    a, b = full(seed=1), full(seed=2, damage=1.4)
    b.control = control()
    b.violations = ["lost: <chat> 4, seq 17"]
    b.slos = [*b.slos, Slo(name="<script>alert(1)</script>", measure="message.p50_ms", goal=1)]
    b.write(place / "recording.json")
    write_report(b, place / "report.html")
    write_comparison(a, b, place / "compare.html")
    return place


def test_texts_are_there_in_both_languages_with_the_same_holes() -> None:
    for key, (english, persian) in TEXTS.items():
        assert _holes(english) == _holes(persian), key
        assert not re.search(r"[0-9]", persian), f"{key}: Latin digits"


def _holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_measure_is_told_in_words() -> None:
    for name, measure in MEASURES.items():
        for say in LANGUAGES:
            assert say.quantity(1.5, measure.unit)
            if not name.startswith("server."):
                assert say.measure(name) != name
    assert EN.measure("message.p99_ms@recovery") == "Messages, p99 (recovery)"


@pytest.mark.parametrize(
    ("value", "unit", "english", "persian"),
    [
        (70_000, "number", "70,000", "۷۰٬۰۰۰"),
        (1.0634, "ratio", "1.06×", "۱٫۰۶ برابر"),
        (0.99954, "share", "99.954 %", "۹۹٫۹۵۴٪"),
        (1.0, "share", "100 %", "۱۰۰٪"),
        (0.0, "number", "0", "۰"),
        (12_345.6, "ms", "12,346 ms", "۱۲٬۳۴۶ میلی‌ثانیه"),
        (float("inf"), "s", "never", "هرگز"),
        (None, "s", "not measured", "سنجیده نشد"),
    ],
)
def test_quantities_are_told_as_people_write_them(
    value: float | None, unit: str, english: str, persian: str
) -> None:
    assert EN.quantity(value, unit) == english
    assert FA.quantity(value, unit) == persian


def test_what_is_not_html_is_escaped() -> None:
    told = element("p", "1 < 2", Html("<br>"), ["a", None], title='"quoted"', hidden=True)
    assert told == '<p title="&quot;quoted&quot;" hidden>1 &lt; 2<br>a</p>'


def test_a_short_run_makes_a_short_report(tmp_path: Path) -> None:
    bare = Recording(scenario="bare", seed=1, command="…", started_at="…", seconds=3.0)
    assert write_report(bare, tmp_path / "bare.html").word == "pass"
    messages = recording(seconds=20)
    messages.phases = []
    assert write_report(messages, tmp_path / "messages.html").word == "fail"


def test_the_commands_write_pages_and_end_as_the_verdict_says(pages: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report.html"
    run = CliRunner()
    told = run.invoke(main, ["report", str(pages), "--out", str(out), "--language", "en"])
    assert told.exit_code == 1, told.output
    assert "MISSED" in told.output
    assert '<main lang="fa"' not in out.read_text(encoding="utf-8")
    summary = msgspec.json.decode(out.with_name("summary.json").read_bytes())
    assert summary["verdict"] == "fail"
    good = tmp_path / "good.json"
    full(seed=1).write(good)
    pair = ["compare", str(good), str(pages), "--out", str(tmp_path / "compare.html")]
    compared = run.invoke(main, pair)
    assert compared.exit_code == 0, compared.output
    assert re.search(r"REAL +message\.p99_ratio", compared.output)
    assert run.invoke(main, ["report", str(pages / "report.html")]).exit_code == 1


async def _look(page: Page, path: Path, say: Language, width: int) -> None:
    await page.open(path, width, say.code)
    assert await page.value("document.documentElement.scrollWidth") == width, "no sideways scroll"
    assert await page.value("document.documentElement.dir") == say.direction
    shown = await page.value(
        "[...document.querySelectorAll('main:not([hidden])')].map(m => m.lang)"
    )
    assert shown == [say.code]
    plots = f"document.querySelectorAll('main[lang={say.code}] .plot')"
    assert await page.value(f"[...{plots}].every(p => p.querySelector('.main-svg'))")
    wide = f"[...{plots}].filter(p => p.scrollWidth > p.parentElement.clientWidth + 1).length"
    assert await page.value(wide) == 0


@pytest.mark.needs("chromium")
@pytest.mark.timeout(180)  # it draws thirty figures without a graphics card
async def test_pages_open_without_network_or_complaint_at_any_width(pages: Path) -> None:
    async with browser() as page:
        await _look(page, pages / "report.html", FA, 390)
        await _look(page, pages / "report.html", EN, 1280)
        drawn = "document.querySelectorAll('main[lang=en] .plot .main-svg').length"
        assert await page.value(drawn) >= FIGURES
        await page.value("document.querySelector('[data-language=fa]').click()")
        await page.until("document.documentElement.dataset.drawn == 'fa'")
        ticks = await page.value("document.querySelector('main[lang=fa] .xtick text').textContent")
        assert re.fullmatch("[۰-۹٫]+", ticks)
        await page.dark()
        await page.until("document.documentElement.dataset.light == 'dark'")
        await _look(page, pages / "compare.html", EN, 390)
        assert page.complaints == []
        assert page.wanted == []
