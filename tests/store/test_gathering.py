"""Statements that are shared by those who come together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from hodhod_server.domain.errors import Overloaded
from hodhod_server.store import gathering
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.gathering import Gathering

ONE = "SELECT 10 / n FROM unnest($1::int[]) WITH ORDINALITY AS asked (n, place) ORDER BY place"


class _Tenths:
    """Divides ten by whatever is asked, all of a batch in one statement."""

    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []

    async def __call__(self, tx: Tx, numbers: Sequence[int]) -> Sequence[int]:
        self.batches.append(numbers)
        return [row[0] for row in await tx.fetch(ONE, numbers)]


async def _ask_all(
    gathered: Gathering[int, int], questions: Sequence[tuple[str, int]]
) -> list[int | BaseException]:
    async def one(key: str, number: int) -> int | BaseException:
        try:
            return await gathered.ask(key, number)
        except (asyncpg.PostgresError, Overloaded) as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(gathered.run())
        async with asyncio.TaskGroup() as askers:
            asked = [askers.create_task(one(key, number)) for key, number in questions]
        running.cancel()
    return [task.result() for task in asked]


async def test_who_comes_together_shares_a_statement_and_those_of_one_key_take_turns(
    database: Database,
) -> None:
    tenths = _Tenths()
    answers = await _ask_all(Gathering(database, tenths), [("a", 1), ("b", 2), ("a", 5)])
    assert answers == [10, 5, 2]
    assert tenths.batches == [[1, 2], [5]]


async def test_one_that_fails_fails_alone(database: Database) -> None:
    tenths = _Tenths()
    first, broken, last = await _ask_all(
        Gathering(database, tenths), [("a", 1), ("b", 0), ("c", 5)]
    )
    assert (first, last) == (10, 2)
    assert isinstance(broken, asyncpg.DivisionByZeroError)


async def test_nobody_waits_behind_too_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "WAITING_MAX", 1)
    first, second = await _ask_all(Gathering(database, _Tenths()), [("a", 1), ("b", 2)])
    assert first == 10
    assert isinstance(second, Overloaded)
