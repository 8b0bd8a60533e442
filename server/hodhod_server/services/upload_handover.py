"""Between processes: whoever wants to write an upload asks for it, whoever writes it lets go.

Within a process `Turns` does this at once. Another process is asked through the upload's row, at
which every process that writes looks a few times a second; it saves, leaves the blob's lock, and
the newcomer takes it.

Always true: a process learns within `LOOK_EVERY_S` that it was asked, shut out by a newer writer,
or writes something that was removed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from hodhod_server.blobs.store import Appender, BlobBusy, BlobStore
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import MediaId
from hodhod_server.services.upload_turns import TAKE_OVER_S, Turns
from hodhod_server.store import uploads
from hodhod_server.store.database import Database

LOOK_EVERY_S: Final = 0.25
TRY_EVERY_S: Final = 0.05
ASK_EVERY_S: Final = 1.0  # asking once may come between a writer's lock and its epoch


class Handover:
    """One process's side of it; `run` looks whether its writers are asked to let go."""

    def __init__(self, database: Database, blobs: BlobStore, turns: Turns) -> None:
        self._database = database
        self._blobs = blobs
        self._turns = turns

    @contextlib.asynccontextmanager
    async def appending(self, media_id: MediaId) -> AsyncIterator[Appender]:
        """The blob for writing, as soon as nobody else writes it.

        Raises `BlobMissing`, and `BlobBusy` where a writer does not let go in time.
        """
        async with contextlib.AsyncExitStack() as stack:
            yield await self._enter(stack, media_id)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if held := self._turns.held():
                # A database that is away is no reason to stop anybody.
                with contextlib.suppress(Overloaded):
                    async with self._database.connection() as connection:
                        asked = await uploads.find_asked(connection, held)
                    for media_id in asked:
                        self._turns.revoke(media_id, held[media_id])

    async def _enter(self, stack: contextlib.AsyncExitStack, media_id: MediaId) -> Appender:
        clock = asyncio.get_running_loop().time
        began_s, asked_s = clock(), float("-inf")
        while True:
            try:
                return await stack.enter_async_context(self._blobs.appending(media_id))
            except BlobBusy:
                if clock() - began_s >= TAKE_OVER_S:
                    raise
            if clock() - asked_s >= ASK_EVERY_S:
                asked_s = clock()
                async with self._database.connection() as connection:
                    await uploads.ask(connection, media_id)
            await asyncio.sleep(TRY_EVERY_S)
