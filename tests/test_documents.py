"""The documents are true to the code where a test can tell: tables, links, examples, form."""

from __future__ import annotations

import ast
import re
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
import pytest

from docs.generate import meanings, pages, wire
from hodhod_wire.codec import JSON
from hodhod_wire.events import Message
from tests import source_tree

PAGES: Final = [path for path in source_tree.text_files() if path.suffix == ".md"]
LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")  # pictures too
FENCED: Final = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING: Final = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
ADR_LINES_MAX: Final = 40
ADR_PARTS: Final = ["Context", "Decision", "Consequences", "Alternatives"]
LAST_PARTS: Final = ["How this is tested", "What we decided against"]
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def _prose(page: PurePosixPath) -> str:
    """A page without its code."""
    return FENCED.sub("", source_tree.read(page))


def _headings(page: PurePosixPath) -> list[str]:
    return [match["text"] for match in HEADING.finditer(_prose(page))]


def _anchor(heading: str) -> str:
    """The name under which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    assert not pages.is_stale(page), "run `make docs`"


def test_every_generated_block_is_shown_somewhere() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in pages.all_pages())
    assert [name for name in pages.BLOCKS if f"<!-- begin: {name} -->" not in shown] == []


def test_every_meaning_belongs_to_a_member() -> None:
    members = {
        name
        for cls in wire.ALL_STRUCTS
        for field in msgspec.structs.fields(cls)
        for name in (field.name, f"{wire.name_of(cls)}.{field.name}")
    }
    assert sorted(set(meanings.MEMBERS) - members) == [], "remove what no struct has"


@each_page
def test_every_link_leads_somewhere(page: PurePosixPath) -> None:
    for match in LINK.finditer(_prose(page)):
        path, _, anchor = match["target"].partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        target = (source_tree.ROOT / page.parent / path).resolve() if path else None
        assert target is None or target.exists(), f"{match[0]}: no such file"
        if anchor:
            linked = PurePosixPath(target.relative_to(source_tree.ROOT)) if target else page
            assert anchor in map(_anchor, _headings(linked)), f"{match[0]}: no such heading"


@each_page
def test_python_examples_compile(page: PurePosixPath) -> None:
    for match in FENCED.finditer(source_tree.read(page)):
        if match["language"] == "python":
            compile(match["code"], str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_example_session_is_made_of_frames_as_the_code_writes_them() -> None:
    page = source_tree.read(PurePosixPath("docs/reference/wire-protocol.md"))
    from_client = re.findall(r"^→ (.*)$", page, re.MULTILINE)
    from_server = re.findall(r"^← (.*)$", page, re.MULTILINE)
    assert from_client
    assert from_server
    for line in from_client:
        assert JSON.encode(JSON.decode_client(line.encode())).decode() == line
    for line in from_server:
        frame = JSON.decode_server(line.encode())
        assert JSON.encode(frame).decode() == line
        for event in re.findall(r'\{"t":"message".*?\}\}', line):
            assert isinstance(JSON.decode_event(event.encode()), Message)


def test_every_page_can_be_found_from_the_index() -> None:
    documents = {page for page in PAGES if page.parts[0] == "docs"}
    found, waiting = set(), [PurePosixPath("docs/README.md")]
    while waiting:
        page = waiting.pop()
        found.add(page)
        for match in LINK.finditer(_prose(page)):
            path = match["target"].partition("#")[0]
            linked = (source_tree.ROOT / page.parent / path).resolve()
            if linked.suffix == ".md" and linked.is_relative_to(source_tree.ROOT):
                relative = PurePosixPath(linked.relative_to(source_tree.ROOT))
                if relative not in found:
                    waiting.append(relative)
    assert documents - found == set(), "link it from docs/README.md"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.match("docs/explanation/*.md")], ids=str
)
def test_an_explanation_ends_with_its_tests_and_what_was_not_chosen(page: PurePosixPath) -> None:
    assert _headings(page)[-2:] == LAST_PARTS


def test_decisions_are_short_whole_and_numbered() -> None:
    decisions = [page for page in PAGES if page.match("docs/adr/[0-9]*.md")]
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        title, *parts = _headings(page)
        assert title.startswith(f"{page.name[:4]} "), page
        assert parts == ADR_PARTS, page
        assert source_tree.read(page).count("\n") <= ADR_LINES_MAX, page
