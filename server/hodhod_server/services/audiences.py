"""Which large chats the people connected here are in: who hears a broadcast.

A broadcast names a chat and no people, so each gateway knows for its own people which broadcast
chats they are in. They are looked up when somebody comes, gathered as routes are, and again when a
membership changes. Whoever is found in a chat that they were not known to hear is told to sync:
something may have been written there meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final, Protocol

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.store import rights
from hodhod_server.store.database import Database

GATHER_S: Final = 0.005
RETRY_S: Final = 1.0
USERS_AT_ONCE: Final = 500  # one query's worth: some milliseconds


class Audience(Protocol):
    """The people here, as this service sees them: the gateway's hub."""

    def people(self) -> Collection[UserId]:
        """Everybody who is here."""

    def hears(self, user: UserId, chats: Collection[ChatId]) -> bool:
        """From here on they get what is broadcast in these. True: in more than before."""

    def on_gap_for(self, users: Collection[UserId], chats: Collection[ChatId]) -> None:
        """These people must sync."""


class Audiences:
    """Keeps the audience of this gateway true."""

    def __init__(self, database: Database, audience: Audience) -> None:
        self._database = database
        self._audience = audience
        self._arrived: set[UserId] = set()
        self._looked_up: asyncio.Future[None] | None = None
        self._changed: set[UserId] = set()
        self._filled = asyncio.Event()

    def arrive(self, user: UserId) -> asyncio.Future[None]:
        """Somebody has come. Done when what is broadcast to them comes here.

        The future is shared by all who are looked up together; nobody may cancel it.
        """
        self._arrived.add(user)
        self._filled.set()
        if self._looked_up is None:
            self._looked_up = asyncio.get_running_loop().create_future()
        return self._looked_up

    def refresh(self, users: Iterable[UserId] | None) -> None:
        """These people came into chats or left some; `None`: anybody here may have."""
        here = self._audience.people()
        self._changed.update(here if users is None else (user for user in users if user in here))
        if self._changed:
            self._filled.set()

    async def run(self) -> None:
        """Look up whoever came or changed, until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(GATHER_S)
            self._filled.clear()
            arrived, self._arrived = self._arrived, set()
            looked_up, self._looked_up = self._looked_up, None
            changed, self._changed = self._changed, set()
            remaining = iter(arrived | changed)
            try:
                while users := list(islice(remaining, USERS_AT_ONCE)):
                    await self._look_up(users, arrived)
            except Overloaded:
                # Nobody waits for a database that is away; who hears more later must sync.
                self._changed |= changed | arrived
                self._filled.set()
                await asyncio.sleep(RETRY_S)
            finally:
                if looked_up is not None:
                    looked_up.set_result(None)

    async def _look_up(self, users: Collection[UserId], arrived: Collection[UserId]) -> None:
        chats: defaultdict[UserId, list[ChatId]] = defaultdict(list)
        async with self._database.connection() as connection:
            for user, chat in await rights.broadcast_chats_of(connection, users):
                chats[user].append(chat)
        hearing_more = [user for user in users if self._audience.hears(user, chats[user])]
        # Who is only arriving syncs anyway, after this.
        missed = [user for user in hearing_more if user not in arrived]
        if missed:
            self._audience.on_gap_for(missed, ())
