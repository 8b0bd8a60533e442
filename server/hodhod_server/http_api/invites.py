"""Invite links, joining by one, and those who wait for approval."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.chat_limits import MEMBERS_PAGE_MAX
from hodhod_server.domain.clock import to_ms
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.invites import InviteLink, NewLink
from hodhod_server.web.bodies import answer, moment, path_id, query_int, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.frames import Chat
from hodhod_wire.limits import ID_MAX, TimeMs

PlacesMax = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class NewInvite(msgspec.Struct, frozen=True):
    """How long a link works, for how many, and whether an admin has to approve."""

    expires_at: TimeMs | None = None
    uses_max: PlacesMax | None = None
    requires_approval: bool = False


class InviteView(msgspec.Struct, frozen=True):
    """A link in force. `uses`: who came in by it or waits for approval."""

    link: int
    token: str
    created_by: int
    uses: int
    expires_at: int | None
    uses_max: int | None
    requires_approval: bool


class InviteList(msgspec.Struct, frozen=True):
    """The links in force, oldest first."""

    links: list[InviteView]


class InvitePreview(msgspec.Struct, frozen=True):
    """Where a link leads."""

    kind: str
    title: str
    about: str
    member_count: int
    requires_approval: bool


class JoinAnswer(msgspec.Struct, frozen=True):
    """The chat; null: an admin has to approve first."""

    chat: Chat | None


class RequestView(msgspec.Struct, frozen=True):
    """Somebody who waits to be let in."""

    user: int
    name: str
    requested_at: int


class RequestPage(msgspec.Struct, frozen=True):
    """Some of those who wait, by id; `next` is the `after` of the following page."""

    requests: list[RequestView]
    next: int | None = None


async def create_link(request: web.Request) -> web.Response:
    """A new link into a group or channel."""
    asker, chat = caller(request), path_id(request, "chat")
    wanted = await read(request, NewInvite)
    terms = NewLink(
        expires_at=moment(wanted.expires_at),
        uses_max=wanted.uses_max,
        requires_approval=wanted.requires_approval,
    )
    link = await request.app[INSIDE].invites.create(asker, chat, terms)
    return answer(_view(link), status=201)


async def list_links(request: web.Request) -> web.Response:
    """The links in force."""
    asker, chat = caller(request), path_id(request, "chat")
    links = await request.app[INSIDE].invites.list_links(asker, chat)
    return answer(InviteList([_view(link) for link in links]))


async def revoke_link(request: web.Request) -> web.Response:
    """Nobody comes in by it any more."""
    asker, chat, link = caller(request), path_id(request, "chat"), path_id(request, "link")
    await request.app[INSIDE].invites.revoke(asker, chat, link)
    return answer(Done())


async def preview(request: web.Request) -> web.Response:
    """Where a link leads."""
    seen = await request.app[INSIDE].invites.preview(caller(request), request.match_info["token"])
    return answer(
        InvitePreview(seen.kind, seen.title, seen.about, seen.member_count, seen.requires_approval)
    )


async def join(request: web.Request) -> web.Response:
    """Come in by a link."""
    asker = caller(request)
    chat = await request.app[INSIDE].invites.join(asker, request.match_info["token"])
    return answer(JoinAnswer(chat))


async def list_requests(request: web.Request) -> web.Response:
    """A page of those who wait."""
    asker, chat = caller(request), path_id(request, "chat")
    after = query_int(request, "after", maximum=ID_MAX) or 0
    limit = query_int(request, "limit", minimum=1, maximum=MEMBERS_PAGE_MAX) or MEMBERS_PAGE_MAX
    found = await request.app[INSIDE].invites.page_of_requests(
        asker, chat, after=after, limit=limit
    )
    waiting = [RequestView(one.user, one.name, to_ms(one.requested_at)) for one in found]
    return answer(RequestPage(waiting, found[-1].user if len(found) == limit else None))


async def approve(request: web.Request) -> web.Response:
    """Let somebody in who asked."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    await request.app[INSIDE].invites.approve(asker, chat, user)
    return answer(Done())


async def decline(request: web.Request) -> web.Response:
    """Somebody who asked stays out."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    await request.app[INSIDE].invites.decline(asker, chat, user)
    return answer(Done())


def _view(link: InviteLink) -> InviteView:
    ends_at = link.terms.expires_at
    return InviteView(
        link=link.link,
        token=link.token,
        created_by=link.created_by,
        uses=link.uses,
        expires_at=None if ends_at is None else to_ms(ends_at),
        uses_max=link.terms.uses_max,
        requires_approval=link.terms.requires_approval,
    )


_CHAT: Final = "/v1/chats/{chat}"
ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{_CHAT}/links",
        handler=list_links,
        summary="The links in force.",
        gives=InviteList,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/links",
        handler=create_link,
        summary="A new link into a group or channel.",
        takes=NewInvite,
        gives=InviteView,
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_CHAT}/links/{{link}}",
        handler=revoke_link,
        summary="Nobody comes in by the link any more.",
        gives=Done,
    ),
    Endpoint(
        method="GET",
        path="/v1/invites/{token}",
        handler=preview,
        summary="Where a link leads.",
        gives=InvitePreview,
    ),
    Endpoint(
        method="POST",
        path="/v1/invites/{token}/join",
        handler=join,
        summary="Come in by a link, or ask to where an admin has to approve.",
        gives=JoinAnswer,
    ),
    Endpoint(
        method="GET",
        path=f"{_CHAT}/join-requests",
        handler=list_requests,
        summary="Who waits to be let in, by id.",
        gives=RequestPage,
        query=("after", "limit"),
    ),
    Endpoint(
        method="PUT",
        path=f"{_CHAT}/join-requests/{{user}}",
        handler=approve,
        summary="Let somebody in who asked.",
        gives=Done,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_CHAT}/join-requests/{{user}}",
        handler=decline,
        summary="Somebody who asked stays out.",
        gives=Done,
    ),
)
