"""The repository's own files as data: what the architecture and document tests look at.

Every Python file is read and parsed once. Paths are relative to the root, so that a failure can be
pasted into an editor.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[1]
CODE_FOLDERS: Final = ("client_sdk", "server", "loadtest")
PYTHON_FOLDERS: Final = (*CODE_FOLDERS, "tests", "docs")
TEXT_FOLDERS: Final = (*PYTHON_FOLDERS, "migrations", "deploy", ".ci")
BINARY_SUFFIXES: Final = frozenset({".png", ".ico", ".pyc", ".mp4", ".woff2"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(msgspec.Struct, frozen=True):
    """A Python file, parsed."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def module(self) -> str:
        """The dotted name under which it is imported."""
        parts = list(self.path.with_suffix("").parts)
        if parts[0] in CODE_FOLDERS:
            parts = parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function, methods and inner ones too, under its qualified name."""
        yield from _functions(self.tree, "")

    def classes(self) -> Iterator[ast.ClassDef]:
        """Every class, inner ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
        if isinstance(child, Function | ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


@functools.cache
def text_files() -> tuple[PurePosixPath, ...]:
    """Every text file that belongs to the repository, generated and hidden folders left out."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in TEXT_FOLDERS:
        files += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    relative = [PurePosixPath(path.relative_to(ROOT)) for path in files]
    return tuple(sorted(path for path in relative if _belongs(path)))


def _belongs(path: PurePosixPath) -> bool:
    generated = any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)
    return not generated and path.suffix not in BINARY_SUFFIXES


def read(path: PurePosixPath) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


@functools.cache
def python(*folders: str) -> tuple[Source, ...]:
    """The Python files of these folders."""
    return tuple(
        _parse(path)
        for path in text_files()
        if path.suffix == ".py" and path.parts[0] in (folders or PYTHON_FOLDERS)
    )


@functools.cache
def _parse(path: PurePosixPath) -> Source:
    text = read(path)
    return Source(path, text, ast.parse(text, filename=str(path)))
