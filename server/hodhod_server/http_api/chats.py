"""Chats and their logs over HTTP: the socket's requests, one by one, with the same shapes.

An event is the same here as in a frame, and is spliced in as it is.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web

from hodhod_server.domain.chat_limits import MEMBERS_PER_ADD_MAX
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.load import Work
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.chats import PAGE_MAX
from hodhod_server.services.groups import NewGroup
from hodhod_server.web.bodies import answer, path_id, query_int, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.codec import events_as_json
from hodhod_wire.events import Body, Message
from hodhod_wire.frames import Chat, History, Send
from hodhod_wire.limits import ID_MAX, PAGE_EVENTS_MAX, Id, Seq

DEFAULT_LIMIT: Final = 50


class OpenChat(msgspec.Struct, frozen=True):
    """Whom to write to: a user id or a phone in any spelling, not both.

    Or, with another `kind`, a new group or channel: its title and so on, and its first members.
    """

    user: Id | None = None
    phone: str | None = None
    kind: Literal["private", "group", "channel"] = "private"
    title: str = ""
    about: str = ""
    members: Annotated[list[Id], msgspec.Meta(max_length=MEMBERS_PER_ADD_MAX)] = []
    history: Literal["all", "from_joining"] = "all"
    signs_posts: bool = True


class ChatPage(msgspec.Struct, frozen=True):
    """Some of the caller's chats; `next` is the `after` of the following page."""

    chats: list[Chat]
    next: int | None = None


class NewMessage(msgspec.Struct, frozen=True):
    """A message to send; a repeat with the same `client_id` returns the first result."""

    client_id: Id
    body: Body


class Durable(msgspec.Struct, frozen=True):
    """Where a message is in the log."""

    chat: int
    seq: int
    at: int


class EventPage(msgspec.Struct, frozen=True):
    """A page of the log, oldest first."""

    chat: int
    events: list[Message]
    more: bool


class _OpaqueEventPage(msgspec.Struct, frozen=True):
    """`EventPage` with its events encoded already."""

    chat: int
    events: list[msgspec.Raw]
    more: bool


class Mark(msgspec.Struct, frozen=True):
    """How far: every event up to and including `seq`."""

    seq: Seq


class FileLink(msgspec.Struct, frozen=True):
    """Relative to the media address; works until `expires_at` (ms)."""

    url: str
    expires_at: int


async def open_chat(request: web.Request) -> web.Response:
    """The private chat with somebody, or a new group or channel."""
    asker = caller(request)
    wanted = await read(request, OpenChat)
    inside = request.app[INSIDE]
    if wanted.kind == "private":
        return answer(await inside.chats.open_private(asker, user=wanted.user, phone=wanted.phone))
    new = NewGroup(
        kind=ChatKind(wanted.kind),
        title=wanted.title,
        about=wanted.about,
        users=[UserId(user) for user in wanted.members],
        shows_history=wanted.history == "all",
        signs_posts=wanted.signs_posts,
    )
    return answer(await inside.groups.create(asker, new))


async def list_chats(request: web.Request) -> web.Response:
    """A page of the caller's chats, by id."""
    asker = caller(request)
    limit = query_int(request, "limit", minimum=1, maximum=PAGE_MAX) or PAGE_MAX
    after = query_int(request, "after", maximum=ID_MAX) or 0
    chats = await request.app[INSIDE].chats.page(asker, after=after, limit=limit)
    return answer(ChatPage(chats, chats[-1].chat if len(chats) == limit else None))


async def get_chat(request: web.Request) -> web.Response:
    """One of the caller's chats."""
    asker = caller(request)
    return answer(await request.app[INSIDE].chats.get(asker, path_id(request, "chat")))


async def list_events(request: web.Request) -> web.Response:
    """A page of a chat's log."""
    asker = caller(request)
    limit = query_int(request, "limit", minimum=1, maximum=PAGE_EVENTS_MAX)
    page = await request.app[INSIDE].syncing.history(
        asker,
        History(
            chat=path_id(request, "chat"),
            before=query_int(request, "before", minimum=1, maximum=ID_MAX),
            after=query_int(request, "after", maximum=ID_MAX),
            limit=limit or DEFAULT_LIMIT,
        ),
    )
    return answer(_OpaqueEventPage(page.chat, events_as_json(page.events), page.more))


async def send_message(request: web.Request) -> web.Response:
    """Append a message; the answer comes when it is durable."""
    asker = caller(request)
    wanted = await read(request, NewMessage)
    frame = Send(chat=path_id(request, "chat"), client_id=wanted.client_id, body=wanted.body)
    appended = await (await request.app[INSIDE].messaging.submit(asker, frame))
    return answer(Durable(appended.chat, appended.seq, appended.at_ms), status=201)


async def mark_delivered(request: web.Request) -> web.Response:
    """The device has everything up to a seq."""
    asker, wanted = caller(request), await read(request, Mark)
    positions = request.app[INSIDE].positions
    await positions.mark(asker, path_id(request, "chat"), delivered=wanted.seq)
    return answer(Done())


async def mark_read(request: web.Request) -> web.Response:
    """The person has seen everything up to a seq."""
    asker, wanted = caller(request), await read(request, Mark)
    positions = request.app[INSIDE].positions
    await positions.mark(asker, path_id(request, "chat"), read=wanted.seq)
    return answer(Done())


async def hint_typing(request: web.Request) -> web.Response:
    """The person is typing."""
    await request.app[INSIDE].typing.hint(caller(request), path_id(request, "chat"))
    return answer(Done())


async def link_file(request: web.Request) -> web.Response:
    """An address for the file in a message."""
    asker = caller(request)
    link = await request.app[INSIDE].file_links.open(
        asker, path_id(request, "chat"), path_id(request, "seq")
    )
    return answer(FileLink(link.url, link.expires_at))


_CHAT: Final = "/v1/chats/{chat}"
ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/chats",
        handler=open_chat,
        summary="Open the private chat with a user, or found a group or channel.",
        takes=OpenChat,
        gives=Chat,
    ),
    Endpoint(
        method="GET",
        path="/v1/chats",
        handler=list_chats,
        summary="The caller's chats, by id.",
        gives=ChatPage,
        query=("after", "limit"),
    ),
    Endpoint(
        method="GET",
        path=_CHAT,
        handler=get_chat,
        summary="One of the caller's chats.",
        gives=Chat,
    ),
    Endpoint(
        method="GET",
        path=f"{_CHAT}/events",
        handler=list_events,
        work=Work.SYNC,
        summary="A page of a chat's log.",
        gives=EventPage,
        query=("before", "after", "limit"),
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/events",
        handler=send_message,
        work=Work.MESSAGE,
        summary="Send a message; answered when it is durable.",
        takes=NewMessage,
        gives=Durable,
        status=201,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/delivered",
        handler=mark_delivered,
        summary="Move the caller's delivered position.",
        takes=Mark,
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/read",
        handler=mark_read,
        summary="Move the caller's read position.",
        takes=Mark,
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/typing",
        handler=hint_typing,
        summary="Show the others that the caller is typing.",
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/events/{{seq}}/media-link",
        handler=link_file,
        summary="A short-lived address for the file in a message.",
        gives=FileLink,
    ),
)
