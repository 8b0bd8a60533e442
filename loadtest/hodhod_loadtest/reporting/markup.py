"""HTML out of nested calls: whatever is not `Html` already is escaped, so nothing has to be."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

_VOID: Final = {"meta", "br", "hr"}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable[str | None] | None
Attribute = str | int | bool | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """`element("td", "1 < 2", class_="number")`; `True` is an attribute without a value."""
    told = "".join(
        f" {key.strip('_').replace('_', '-')}"
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{told}>")
    return Html(f"<{name}{told}>{together(*children)}</{name}>")


def together(*children: Child) -> Html:
    """One after another."""
    return Html("".join(_text(child) for child in children))


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str, kind: str = ""
) -> Html:
    """The first cell of a row is its head; cells know their column's, for narrow screens."""
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            (
                element("td", cell, data_head=head)
                for head, cell in zip(heads[1:], row[1:], strict=True)
            ),
        )
        for row in rows
    )
    head = element("tr", (element("th", text, scope="col") for text in heads))
    whole = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", body),
        class_=kind or None,
    )
    return element("div", whole, class_="sideways", tabindex=0, role="region", aria_label=caption)


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return html.escape(child)
    return "".join(_text(one) for one in child)
