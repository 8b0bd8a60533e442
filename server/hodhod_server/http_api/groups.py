"""Groups and channels as a whole: their settings, their owner, their views."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from aiohttp import web

from hodhod_server.domain.chat_limits import VIEWS_PAGE_MAX
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.permissions import from_names
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.groups import Edit
from hodhod_server.web.bodies import answer, path_id, query_int, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.frames import Chat
from hodhod_wire.limits import ID_MAX, DurationS, Id


class EditChat(msgspec.Struct, frozen=True):
    """What is to change; what is left out stays."""

    title: str | None = None
    about: str | None = None
    default_permissions: list[str] | None = None
    slow_mode_s: DurationS | None = None
    history: Literal["all", "from_joining"] | None = None
    signs_posts: bool | None = None


class NewOwner(msgspec.Struct, frozen=True):
    """Who is to own the chat: a member of it."""

    user: Id


class PostViews(msgspec.Struct, frozen=True):
    """How many readers have read up to a post or beyond, its author left out."""

    seq: int
    views: int


class ViewPage(msgspec.Struct, frozen=True):
    """The posts of a range that anybody has read."""

    views: list[PostViews]


async def edit_chat(request: web.Request) -> web.Response:
    """Change what holds for everybody in a group or channel."""
    asker, chat = caller(request), path_id(request, "chat")
    wanted = await read(request, EditChat)
    names = wanted.default_permissions
    edit = Edit(
        title=wanted.title,
        about=wanted.about,
        permissions=None if names is None else from_names(names),
        slow_mode_s=wanted.slow_mode_s,
        shows_history=None if wanted.history is None else wanted.history == "all",
        signs_posts=wanted.signs_posts,
    )
    return answer(await request.app[INSIDE].groups.edit(asker, chat, edit))


async def hand_over(request: web.Request) -> web.Response:
    """Make another member the owner."""
    asker, chat = caller(request), path_id(request, "chat")
    wanted = await read(request, NewOwner)
    await request.app[INSIDE].groups.hand_over(asker, chat, wanted.user)
    return answer(Done())


async def list_views(request: web.Request) -> web.Response:
    """How often a channel's posts were read."""
    asker, chat = caller(request), path_id(request, "chat")
    first = query_int(request, "from", minimum=1, maximum=ID_MAX) or 1
    last = query_int(request, "to", minimum=1, maximum=ID_MAX) or first + VIEWS_PAGE_MAX - 1
    if last - first >= VIEWS_PAGE_MAX:
        raise Malformed(f"ask for at most {VIEWS_PAGE_MAX} posts")
    found = await request.app[INSIDE].views.between(asker, chat, first, last)
    return answer(ViewPage([PostViews(seq, views) for seq, views in found]))


_CHAT: Final = "/v1/chats/{chat}"
ENDPOINTS: Final = (
    Endpoint(
        method="PATCH",
        path=_CHAT,
        handler=edit_chat,
        summary="Change what holds for everybody in a group or channel.",
        takes=EditChat,
        gives=Chat,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/owner",
        handler=hand_over,
        summary="Make another member the owner; the caller stays as an admin.",
        takes=NewOwner,
        gives=Done,
    ),
    Endpoint(
        method="GET",
        path=f"{_CHAT}/views",
        handler=list_views,
        summary="How often a channel's posts were read.",
        gives=ViewPage,
        query=("from", "to"),
    ),
)
