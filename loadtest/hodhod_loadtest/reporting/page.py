"""A whole page: one file that holds its style, its script, Plotly, its figures and both languages.

Always true: nothing is fetched. The page's own policy forbids it to the browser, so a figure that
would need the network fails in the tests and not at a reader's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from plotly import offline

from hodhod_loadtest.reporting.language import Language
from hodhod_loadtest.reporting.markup import Html, element, together
from hodhod_loadtest.reporting.plot import Figure
from hodhod_loadtest.reporting.texts import TEXTS

LANGUAGES: Final = (Language("fa"), Language("en"))
NAMES: Final = {"fa": "فارسی", "en": "English"}
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)

Title = Callable[[Language], str]
Body = Callable[[Language], Html]


def write(
    path: Path,
    title: Title,
    body: Body,
    figures: Mapping[str, Figure],
    languages: Sequence[Language] = LANGUAGES,
) -> None:
    """The page that shows `body` in each of these languages, the first one first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(title, body, figures, languages), encoding="utf-8")


def document(
    title: Title, body: Body, figures: Mapping[str, Figure], languages: Sequence[Language]
) -> str:
    """As HTML."""
    first = languages[0]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", title(first)),
        element("style", Html(_file("page.css"))),
    )
    mains = [
        element(
            "main",
            element("h1", title(say)),
            body(say),
            element("footer", say.text("footer")),
            lang=say.code,
            dir=say.direction,
            hidden=say is not first,
        )
        for say in languages
    ]
    told = {
        "figures": figures,
        "texts": {say.code: _texts(say) | {"page title": title(say)} for say in languages},
    }
    data = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = element(
        "body",
        _bar(languages),
        mains,
        element("script", Html(data), type="application/json", id="report"),
        element("script", Html(offline.get_plotlyjs())),
        element("script", Html(_file("page.js"))),
    )
    whole = element("html", head, page, lang=first.code, dir=first.direction)
    return f"<!doctype html>\n{whole}\n"


def _bar(languages: Sequence[Language]) -> Html:
    first = languages[0]
    switches = [
        element("button", NAMES[say.code], type="button", data_language=say.code, lang=say.code)
        for say in languages
    ]
    return element(
        "header",
        element("strong", first.text("wordmark"), data_text="wordmark"),
        switches if len(languages) > 1 else None,
        element("button", "◐", type="button", id="light", aria_label=first.text("theme")),
        class_="bar",
    )


def _texts(say: Language) -> dict[str, str]:
    """Those that figures may name: texts without anything to put in."""
    return {key: say.text(key) for key, (english, _) in TEXTS.items() if "{" not in english}


def _file(name: str) -> str:
    return resources.files(__package__ or "").joinpath(name).read_text(encoding="utf-8")


def contents(links: Sequence[tuple[str, str]], label: str) -> Html:
    """Anchor and text of each section."""
    rows = [element("li", element("a", text, href=f"#{place}")) for place, text in links]
    return element("nav", element("ul", rows), aria_label=label)


def all_of(*parts: Html | None) -> Html:
    """Those that there are."""
    return together(*(part for part in parts if part))
