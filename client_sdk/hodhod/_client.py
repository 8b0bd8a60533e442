"""The client: what an app or a bot holds. A thin front; each method is one thing a person can do.

`async with` opens it: the session file is read, the server is asked where its parts are, and a
connection is kept up in the background for as long as the block lasts. Always true: everything may
be awaited while offline, and ends by its deadline; exceptions are those of `hodhod._errors`, and
`OSError` where a path is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self

from hodhod import _models as models
from hodhod._addresses import checked_url
from hodhod._addressing import chat_id
from hodhod._door import OnWait
from hodhod._downloads import Source
from hodhod._errors import NotFound, SignedOut
from hodhod._event_queue import Events
from hodhod._file_sending import FileSending
from hodhod._groups import Groups
from hodhod._invites import Invites
from hodhod._line import Line
from hodhod._outbox import Pending, new_client_id
from hodhod._parts import Parts, Settings, open_parts
from hodhod._progress import OnProgress
from hodhod._security import Security
from hodhod._sign_in import SignIn
from hodhod._signup import Asked, Challenge
from hodhod._sources import Sendable, source_of
from hodhod._state import Credentials, State
from hodhod_wire import frames
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Body, File, Message, Text
from hodhod_wire.frames import (
    ChatState,
    GetChat,
    History,
    Link,
    MediaLink,
    Ok,
    OpenChat,
    Page,
    Read,
    Typing,
)
from hodhod_wire.limits import NAME_CHARS_MAX, PAGE_EVENTS_MAX, TEXT_CHARS_MAX

AGENT: Final = "hodhod-python"
DEADLINE_S: Final = 20.0

FilePath = str | os.PathLike[str]


class Client:
    """A person on this device.

    `url` is the server's one address. `state` is the path of the session file, which keeps the
    person signed in and every position and unsent message from one run to the next; without it the
    client remembers nothing. `agent` names the program to the server. `deadline_s` is how many
    seconds a call waits for the server, connecting included.
    """

    def __init__(
        self,
        url: str,
        *,
        state: FilePath | None = None,
        agent: str = AGENT,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Raises `ValueError` for what is no address of a server."""
        self._settings = Settings(
            url=checked_url(url),
            state=None if state is None else Path(state),
            agent=agent[:NAME_CHARS_MAX],
            deadline_s=deadline_s,
        )
        self._stack: contextlib.AsyncExitStack | None = None
        self._opened: Parts | None = None
        self._line: Line | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open the session file and find the server; connect if somebody is signed in.

        Raises `StateUnusable`, `ServerNotUnderstood`, and `ConnectionLost` on the very first run.
        """
        async with contextlib.AsyncExitStack() as stack:
            self._opened = await stack.enter_async_context(open_parts(self._settings))
            self._opened.keeper.fill_with(self._fill)
            if self._opened.account.is_signed_in:
                self._connect(self._opened)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close. Without an exception, the event handed over last counts as done with."""
        assert self._stack is not None
        if self._line is not None:
            if kind is None:
                self._line.session.confirm()
            await self._line.say_goodbye()
        await self._stack.aclose()
        self._opened = self._line = None

    # --- signing in ------------------------------------------------------------------------------

    @property
    def signed_in(self) -> bool:
        """Somebody is signed in here, as far as this device knows."""
        return self._parts.account.is_signed_in

    @property
    def user(self) -> models.User:
        """Who is signed in. Raises `SignedOut`."""
        credentials = self._parts.account.credentials
        return models.User(credentials.user, credentials.name)

    async def request_code(
        self,
        phone: str,
        *,
        locale: str = "fa",
        invite: str | None = None,
        text_at_once: bool = False,
        on_wait: OnWait | None = None,
    ) -> Challenge:
        """Have a code sent to a mobile number, in any spelling. `locale`: `fa` or `en`.

        Asked again while a code is on its way, it gives the same challenge and sends nothing.
        Where the person is online on another device, the text may follow 20 s later than that was
        asked, unless `text_at_once`. Where many come it waits, and tells `on_wait` how long.
        Raises `InvalidInput`, `TryLater`, `ConnectionLost`.
        """
        parts, asked = self._parts, Asked(phone, locale, invite, text_at_once)
        return await parts.door.knock(asked, parts.account, self._welcome, on_wait)

    @property
    def sign_in(self) -> SignIn:
        """Ways in without a text: a kept key, a passkey, another device."""
        parts = self._parts
        return SignIn(parts.http, parts.addresses, parts.account, parts.clock, self._welcome)

    @property
    def security(self) -> Security:
        """What guards the account: PIN, recovery key, other devices, signing out."""
        return Security(self._parts.api, self._parts.account, self._leave)

    async def _leave(self) -> None:
        if self._running is not None:
            self._running.cancel()
        self._fill(self._parts.keeper.state)
        self._line = None
        await self._parts.account.sign_out()

    async def _welcome(self, credentials: Credentials) -> models.User:
        if self._running is not None:
            self._running.cancel()
        self._fill(self._parts.keeper.state)
        self._line = None
        await self._parts.adopt(credentials)
        self._connect(self._parts)
        return self.user

    # --- chats -----------------------------------------------------------------------------------

    async def open_private_chat(
        self, *, phone: str | None = None, user: int | models.User | None = None
    ) -> models.Chat:
        """The private chat with somebody, named by phone or by id; made on first use.

        Raises `NotFound`, `InvalidInput`, `TryLater`, `ConnectionLost`, `SignedOut`; `ValueError`
        unless exactly one name is given.
        """
        if (phone is None) == (user is None):
            raise ValueError("name the person by phone or by user")
        number = user.id if isinstance(user, models.User) else user
        return await self._see(OpenChat(phone=phone, user=number))

    async def chats(self) -> list[models.Chat]:
        """All chats, once a first sync is complete. Raises `ConnectionLost`, `SignedOut`."""
        line = self._require_line()
        await line.until_synced()
        for chat in line.session.unseen_chats():
            with contextlib.suppress(NotFound):  # it is ours no more
                await self._see(GetChat(chat=chat))
        return line.session.chats()

    async def chat(self, chat: int) -> models.Chat:
        """A chat of the person's as it stands. Raises `NotFound`, `ConnectionLost`, `SignedOut`."""
        return await self._see(GetChat(chat=chat))

    @property
    def groups(self) -> Groups:
        """Groups and channels: found, edit, members, admins, mutes, bans, leave."""
        parts = self._parts
        return Groups(parts.api, parts.clock, self._take_chat, self._take_gone)

    @property
    def invites(self) -> Invites:
        """Ways into groups and channels: links, joining by one, join requests."""
        return Invites(self._parts.api, self._parts.clock, self._take_chat)

    async def history(
        self, chat: models.Chat | int, *, before: int | None = None, limit: int = 50
    ) -> list[models.Message]:
        """Up to `limit` (1 to 200) messages before `before`, or the newest, oldest first.

        Raises `NotFound`, `TryLater`, `ConnectionLost`, `SignedOut`.
        """
        if not 1 <= limit <= PAGE_EVENTS_MAX:
            raise ValueError(f"limit is from 1 to {PAGE_EVENTS_MAX}")
        request = History(chat=chat_id(chat), before=before, limit=limit)
        page = await self._require_line().ask(request, Page)
        decoded = [MSGPACK.decode_event(event) for event in page.events]
        found = [models.message_from(event) for event in decoded if isinstance(event, Message)]
        return self._parts.facts.learn(found)

    def renewed(self, message: models.Message) -> models.Message:
        """The message with what is known of its file by now: after a notice `MediaReady`."""
        return self._parts.facts.folded(message)

    async def mark_read(self, what: models.Message | models.Chat | int, seq: int = 0) -> None:
        """The person has seen the chat up to this message; or a chat, up to `seq` or all of it.

        Raises `NotFound`, `TryLater`, `ConnectionLost`, `SignedOut`.
        """
        chat = what.chat if isinstance(what, models.Message) else chat_id(what)
        if isinstance(what, models.Message | models.Chat):
            seq = seq or (what.seq if isinstance(what, models.Message) else what.last_seq)
        line = self._require_line()
        line.session.read(chat, seq)
        await line.ask(Read(chat=chat, seq=seq), Ok)

    async def typing(self, chat: models.Chat | int) -> None:
        """Show the others that the person is typing; lost without harm. Raises `SignedOut`."""
        await self._require_line().tell(Typing(chat=chat_id(chat)))

    def events(self) -> AsyncIterator[models.Event]:
        """What happens, for ever: connections come and go unseen, gaps are filled.

        Of each chat every message comes once and in order: those of others, of the person's other
        devices, and of this client where `send` did not return them. What this client sent and got
        back from `send` does not come again. An event counts as done with when the next one is
        asked for, or when the client is closed without an exception: after a crash, the one in work
        comes again. One reader at a time; one who does not read loses nothing but hints
        (`TypingSeen`, `PositionChanged`). Groups have notices as messages, too (`Message.notice`),
        and tell by `ChatChanged` and `ChatGone` where the person comes in, what the person may do
        and when that is over. Raises `SignedOut`, `TurnedAway`.
        """
        return Events(self._next_event)

    # --- messages --------------------------------------------------------------------------------

    async def send(
        self, chat: models.Chat | int, text: str, *, client_id: int | None = None
    ) -> models.Message:
        """Write a text (1 to 4096 characters). Returns when it is durable on the server.

        Raises `SendUnconfirmed` when the deadline passes first: the message is kept, goes out when
        it can, at most once, and comes as an event then; the same call with the exception's
        `client_id` waits for it again. Raises `Refused` and its kin where it is not taken at all
        (`TryLater` with `slow_mode` where the chat's rule is to wait beyond the deadline),
        `ConnectionLost` where a thousand messages wait and none gets through, and `SignedOut`.
        """
        if not 1 <= len(text) <= TEXT_CHARS_MAX:
            raise ValueError(f"a text has 1 to {TEXT_CHARS_MAX} characters; longer ones are files")
        return await self._require_line().send(self._pending(chat, Text(text), client_id))

    async def send_file(
        self,
        chat: models.Chat | int,
        file: Sendable,
        *,
        name: str | None = None,
        caption: str = "",
        announce: bool = False,
        on_progress: OnProgress | None = None,
    ) -> models.Message:
        """Upload a file and write it into the chat. Returns when message and bytes are durable.

        `file` is a path, an open stream (its `read` may be awaitable) or an async iterator of
        bytes, of whatever length. With `announce` the message comes first: its file is `awaited`,
        and a message whose notice is `MediaReady` follows when the bytes are there.

        Cuts are survived, and of a path restarts of the program, too: call it again with the same
        file and chat, and one message comes of it. Gives up with `ConnectionLost` after ten
        minutes without a byte. `on_progress` gets a `Progress` a few times a second. Raises
        `FileChanged`, `OSError`, `TypeError`, and as `send`.
        """
        if len(caption) > TEXT_CHARS_MAX:
            raise ValueError(f"a caption has at most {TEXT_CHARS_MAX} characters")
        line, number = self._require_line(), chat_id(chat)

        async def write(body: File, client_id: int) -> models.Message:
            return await line.send(self._pending(number, body, client_id))

        sending = FileSending(write, self._parts.uploads, number, caption)
        return await sending.send(await source_of(file, name), on_progress, announce=announce)

    async def download(
        self,
        message: models.Message,
        path: FilePath,
        *,
        made: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Bring a message's file to `path`, which appears when it is whole and as it was sent.

        `made` names something the server made of the file (`thumb`, `poster`, `play`). Cuts are
        survived, restarts too (call it again with the same path). Raises `NotFound`, `OSError`,
        `ConnectionLost` after ten minutes without a byte, and `SignedOut`.
        """
        await self._parts.downloads.download(self._source(message, made), path, on_progress)

    async def read_range(self, message: models.Message, start: int, end: int) -> bytes:
        """The bytes up to, not including, `end`. Raises `InvalidInput`, and as `download`."""
        if not 0 <= start < end:
            raise ValueError("a range has at least one byte")
        return await self._parts.downloads.read(self._source(message), start, end)

    def stream_file(
        self, message: models.Message, *, start: int = 0, made: str | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` on as they come, over cuts. Raises as `download`."""
        return self._parts.downloads.stream(self._source(message, made), start, None)

    # --- within ----------------------------------------------------------------------------------

    @property
    def _parts(self) -> Parts:
        if self._opened is None:
            raise RuntimeError("use the client in `async with Client(...) as client:`")
        return self._opened

    async def _next_event(self) -> models.Event:
        line = self._require_line()
        event = await line.next_event()
        if not isinstance(event, models.Message):
            return event
        if event.sender == line.session.user:
            self._parts.uploads.told(event.client_id)
        return self._parts.facts.learn([event])[0]

    def _connect(self, parts: Parts) -> None:
        self._line = parts.new_line()
        self._running = parts.background.start(self._line.run, self._line.fail)

    def _require_line(self) -> Line:
        if self._line is None:
            raise SignedOut("sign in first: request_code, then verify")
        return self._line

    async def _see(self, request: OpenChat | GetChat) -> models.Chat:
        return self._take_chat((await self._require_line().ask(request, ChatState)).chat)

    def _take_chat(self, chat: frames.Chat) -> models.Chat:
        line = self._require_line()
        line.session.take_chat(chat, asyncio.get_running_loop().time())
        line.changed()
        return line.session.chat(chat.chat)

    def _take_gone(self, chat: int) -> None:
        line = self._require_line()
        line.session.take_gone(chat)
        line.changed()

    def _pending(self, chat: models.Chat | int, body: Body, client_id: int | None) -> Pending:
        known = None if client_id is None else self._require_line().session.outbox.find(client_id)
        name = client_id or new_client_id()
        return known or Pending(client_id=name, chat=chat_id(chat), body=body)

    def _source(self, message: models.Message, made: str | None = None) -> Source:
        if message.file is None:
            raise ValueError("this message holds no file")
        line, addresses = self._require_line(), self._parts.addresses

        async def ask_link() -> str:
            link = await line.ask(MediaLink(chat=message.chat, seq=message.seq), Link)
            return addresses.media(link.url)

        return Source(message.file, ask_link, made)

    def _fill(self, state: State) -> None:
        """Before each write of the session file."""
        if self._line is not None:
            session = self._line.session
            state.chats = session.kept()
            state.pending = session.outbox.pending
            state.knows_all = session.knows_all
