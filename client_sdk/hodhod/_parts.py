"""What a client is made of: the only place that introduces the parts to one another."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._api import Api
from hodhod._background import Background
from hodhod._clock import ServerClock, SystemClock
from hodhod._downloads import Downloads
from hodhod._file_facts import FileFacts
from hodhod._http import Http
from hodhod._keeper import Keeper
from hodhod._line import Line
from hodhod._outbox import Outbox
from hodhod._session import Session
from hodhod._signup import Door
from hodhod._state import Credentials, StateFile
from hodhod._transport import Dialer
from hodhod._tus import Tus
from hodhod._uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user of the client chose."""

    url: str
    state: Path | None
    agent: str
    deadline_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An open client, signed in or not."""

    settings: Settings
    keeper: Keeper
    background: Background
    clock: ServerClock
    addresses: AddressBook
    account: Account
    http: Http
    api: Api
    door: Door
    dialer: Dialer
    uploads: Uploads
    downloads: Downloads
    facts: FileFacts
    dice: random.Random

    def new_line(self) -> Line:
        """A line for whoever is signed in, with what the session file remembers."""
        state = self.keeper.state
        session = Session(
            state.user,
            outbox=Outbox(state.pending),
            kept=state.chats,
            knows_all=state.knows_all,
            dice=self.dice,
        )
        return Line(
            session,
            self.account,
            self.keeper,
            self.dialer,
            deadline_s=self.settings.deadline_s,
            dice=self.dice,
        )

    async def adopt(self, credentials: Credentials) -> None:
        """These are signed in; what another user left in the session file goes."""
        state = self.keeper.state
        if state.user != credentials.user:
            state.user, state.knows_all = credentials.user, credentials.is_new
            state.chats, state.pending, state.uploads = {}, [], []
        await self.account.adopt(credentials)


@contextlib.asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Open the session file and find the server.

    Raises `StateUnusable`, `ConnectionLost`, `ServerNotUnderstood`.
    """
    file = None if settings.state is None else StateFile(settings.state)
    keeper, dice = Keeper(file, settings.url), random.Random()
    async with contextlib.AsyncExitStack() as stack:
        await keeper.open()
        stack.push_async_callback(keeper.close)
        http_session = await stack.enter_async_context(_http_session(settings))
        background = await stack.enter_async_context(Background())
        background.start(keeper.run, keeper.fail)
        clock = ServerClock(SystemClock(), keeper.state.clock_offset_ms)
        http = Http(http_session, clock, dice, deadline_s=settings.deadline_s)
        addresses = AddressBook(settings.url, http, keeper)
        account = Account(http, addresses, keeper, clock)
        await addresses.start()
        yield Parts(
            settings=settings,
            keeper=keeper,
            background=background,
            clock=clock,
            addresses=addresses,
            account=account,
            http=http,
            api=Api(http, account, addresses, deadline_s=settings.deadline_s),
            door=Door(http, addresses, clock, deadline_s=settings.deadline_s),
            dialer=Dialer(http_session, addresses, settings.agent),
            uploads=Uploads(Tus(http_session, account, addresses), keeper, dice),
            downloads=Downloads(http_session, dice),
            facts=FileFacts(),
            dice=dice,
        )


def _http_session(settings: Settings) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        headers={"User-Agent": settings.agent}, cookie_jar=aiohttp.DummyCookieJar()
    )
