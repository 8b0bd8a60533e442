"""Those who are inside before a run begins: accounts, chats and groups on the private server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from hodhod_loadtest.bench.connection import Door
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.people import found, pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.running.casting import Cast, ChatPart, CrowdPart, Uploading
from hodhod_loadtest.scenarios.model import (
    AnyCrowd,
    Chatters,
    Lurkers,
    Scenario,
    Uploaders,
)

MIB: Final = 1024 * 1024
TRIES: Final = 10
BETWEEN_TRIES_S: Final = 2.0
T = TypeVar("T")
Insiders = Chatters | Lurkers | Uploaders


def insiders(scenario: Scenario) -> list[Insiders]:
    """The crowds that are inside, in the order in which the cast has them."""
    return [crowd for crowd in scenario.crowds if isinstance(crowd, Insiders)]


def outsiders(scenario: Scenario) -> list[AnyCrowd]:
    """All others."""
    return [crowd for crowd in scenario.crowds if not isinstance(crowd, Insiders)]


async def cast(
    scenario: Scenario, data_dir: Path, addresses: Mapping[str, str], door: Door
) -> Cast:
    """Everybody who is inside, made and named."""
    crowds = [await _part(crowd, data_dir, addresses) for crowd in insiders(scenario)]
    return Cast(host=door.host, port=door.port, path=door.path, seed=scenario.seed, crowds=crowds)


async def _part(crowd: Insiders, data_dir: Path, addresses: Mapping[str, str]) -> CrowdPart:
    match crowd:
        case Chatters():
            people = await settle(data_dir, 2 * crowd.pairs)
            pairs = await _patiently(partial(pair_up, people, addresses["api"]))
            return CrowdPart(
                chats=[ChatPart(chat=pair.chat, people=list(pair.people)) for pair in pairs],
            )
        case Lurkers():
            people = await settle(data_dir, max(2, crowd.members))
            chat = await _patiently(partial(found, people, addresses["api"]))
            return CrowdPart(chats=[ChatPart(chat=chat, people=people[: max(2, crowd.people)])])
        case Uploaders():
            people = await settle(data_dir, crowd.people)
            return CrowdPart(
                uploading=Uploading(
                    media_url=addresses["media"],
                    tokens=[person.token for person in people],
                    bytes_each=max(1, round(crowd.mib * MIB)),
                    bytes_per_s=crowd.mib_per_s * MIB,
                )
            )


async def _patiently(make: Callable[[], Awaitable[T]]) -> T:
    """Raises `BenchFailed` where it never succeeds. A server that has just started sheds work."""
    for _ in range(TRIES):
        with contextlib.suppress(BenchFailed):
            return await make()
        await asyncio.sleep(BETWEEN_TRIES_S)
    return await make()


def rates(crowd: Insiders, seconds: float) -> Sequence[tuple[float, float]]:
    """When a crowd acts, as the points of its curve."""
    return [*crowd.shape.curve(crowd.per_s * seconds, seconds).points]
