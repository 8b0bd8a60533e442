"""People on a server, made as people come: a code is asked for, read and shown."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from hodhod_loadtest.bench.figures import BenchFailed

AT_ONCE: Final = 16  # enough to keep one sign-up process busy
ADDED_AT_ONCE: Final = 200
_DEVICE: Final = {"name": "bench", "platform": "python"}
_CODE: Final = re.compile(r"\d{6}")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    user: int
    token: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One who writes, one who reads, and their chat, in which one message stands already."""

    writer: Person
    reader: Person
    chat: int

    @property
    def people(self) -> tuple[Person, Person]:
        return self.writer, self.reader


def http_client(url: str, token: str | None = None) -> aiohttp.ClientSession:
    """Requests to one base address. Every refusal raises `BenchFailed`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return aiohttp.ClientSession(url, headers=headers, raise_for_status=_require_ok)


async def _require_ok(response: aiohttp.ClientResponse) -> None:
    if not response.ok:
        raise BenchFailed(f"{response.method} {response.url.path}: {await response.text()}")


class Newcomers:
    """Signs people up; each has a number of their own and comes over a connection of their own.

    Their codes are read from the outbox of a server that only pretends to text.
    """

    def __init__(self, signup_url: str, phones: Iterator[str] | None = None) -> None:
        self._url = signup_url
        self._phones = phones or (f"0912{number:07}" for number in itertools.count())

    async def one(self) -> Person:
        """Ask for a code, wait until it is sent, look at the outbox, show the code."""
        phone = next(self._phones)
        async with http_client(self._url) as http:
            start = {"phone": phone, "device": _DEVICE}
            async with http.post("/v1/signup", json=start) as response:
                challenge = await response.json()
            bearer = {"Authorization": f"Bearer {challenge['secret']}"}
            path = f"/v1/signup/{challenge['id']}?after={challenge['version']}&wait_s=25"
            async with http.get(path, headers=bearer) as response:
                await response.read()
            async with http.get("/dev/outbox", params={"phone": phone}) as response:
                texts = (await response.json())["texts"]
            code = _CODE.search(texts[-1]["text"]) if texts else None
            if code is None:
                raise BenchFailed("no code in the outbox")
            shown = {"secret": challenge["secret"], "code": code[0], "name": "سارا"}
            async with http.post(f"/v1/signup/{challenge['id']}/verify", json=shown) as response:
                session = await response.json()
        return Person(session["user"], session["access_token"])

    async def many(self, count: int) -> list[Person]:
        """So many people, several at once."""
        people: list[Person] = []
        turns = iter(range(count))

        async def work() -> None:
            for _ in turns:
                person = await self.one()
                people.append(person)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
        return people


async def pair_up(people: Sequence[Person], api_url: str) -> list[Pair]:
    """Two and two are given a chat, with one message in it."""
    pairs: list[Pair] = []
    for writer, reader in zip(people[::2], people[1::2], strict=True):
        async with http_client(api_url, writer.token) as http:
            async with http.post("/v1/chats", json={"user": reader.user}) as response:
                chat = (await response.json())["chat"]
            event = {"client_id": 1, "body": {"t": "text", "text": "سلام"}}
            async with http.post(f"/v1/chats/{chat}/events", json=event) as response:
                await response.read()
        pairs.append(Pair(writer, reader, chat))
    return pairs


async def found(people: Sequence[Person], api_url: str) -> int:
    """A group of these people, founded by the first."""
    users = [person.user for person in people]
    async with http_client(api_url, people[0].token) as http:
        founding = {"kind": "group", "title": "bench", "members": users[1:ADDED_AT_ONCE]}
        async with http.post("/v1/chats", json=founding) as response:
            chat: int = (await response.json())["chat"]
        for first in range(ADDED_AT_ONCE, len(users), ADDED_AT_ONCE):
            added = {"users": users[first : first + ADDED_AT_ONCE]}
            async with http.post(f"/v1/chats/{chat}/members", json=added) as response:
                await response.read()
    return chat
