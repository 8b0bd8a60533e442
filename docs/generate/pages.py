"""Pages and their generated blocks."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docs.generate import load, measured, planned, plots, rehearsed, server, stalls, wire
from hodhod_server.cli import settings_reference
from hodhod_server.settings import Settings

ROOT: Final = Path(__file__).parents[2]
BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    **wire.BLOCKS,
    **server.BLOCKS,
    **measured.BLOCKS,
    **planned.BLOCKS,
    **stalls.BLOCKS,
    **rehearsed.BLOCKS,
    **load.BLOCKS,
}
_BLOCK: Final = re.compile(
    r"(?P<begin><!-- begin: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end: (?P=name) -->)", re.DOTALL
)


WHOLE_PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "docs/reference/settings.md": lambda: settings_reference.markdown(Settings),
    **plots.PLOTS,
    **stalls.PLOTS,
}


class UnknownBlock(LookupError):
    """A page asks for a block that nobody writes."""


def all_pages() -> list[Path]:
    """Every page that is generated, in whole or in part."""
    pages = sorted((ROOT / "docs").rglob("*.md"))
    partly = [page for page in pages if _BLOCK.search(page.read_text(encoding="utf-8"))]
    return [*partly, *(ROOT / page for page in WHOLE_PAGES)]


def rendered(path: Path) -> str:
    """The page as it should be. Raises `UnknownBlock`."""
    whole = WHOLE_PAGES.get(path.relative_to(ROOT).as_posix())
    return whole() if whole else _BLOCK.sub(_fill, path.read_text(encoding="utf-8"))


def is_stale(path: Path) -> bool:
    """Does the page differ from what the code says?"""
    return not path.exists() or rendered(path) != path.read_text(encoding="utf-8")


def write(path: Path) -> None:
    """Bring the page up to date."""
    path.write_text(rendered(path), encoding="utf-8")


def _fill(match: re.Match[str]) -> str:
    return f"{match['begin']}{_block(match['name'])}\n{match['end']}"


@functools.cache
def _block(name: str) -> str:
    if name not in BLOCKS:
        raise UnknownBlock(f"no block is called {name!r}; there are: {', '.join(BLOCKS)}")
    return BLOCKS[name]().strip()
