"""SQL lives in `sql/*.sql`, one file per aggregate; Python calls a query by its name.

Format: a line `-- name: fetch_thing` starts a query, comments below it explain it, the statement
runs to the next name. Modules look their queries up at import, so a missing one fails there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SQL_DIRECTORY: Final = Path(__file__).with_name("sql")
_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class Queries:
    """The queries of one file, by name."""

    def __init__(self, aggregate: str, texts: dict[str, str]) -> None:
        self._aggregate = aggregate
        self._texts = texts

    @classmethod
    def load(cls, aggregate: str) -> Queries:
        """Read `sql/{aggregate}.sql`."""
        source = (SQL_DIRECTORY / f"{aggregate}.sql").read_text(encoding="utf-8")
        _, *parts = _NAME.split(source)
        return cls(aggregate, dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True)))

    def __getitem__(self, name: str) -> str:
        """The statement called `name`; modules look theirs up at import."""
        try:
            return self._texts[name]
        except KeyError:
            raise LookupError(f"sql/{self._aggregate}.sql has no query {name!r}") from None
