"""Members of groups and channels: lists, coming in, leaving, roles, mutes, bans."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from hodhod_server.domain.chat_limits import MEMBERS_PAGE_MAX, MEMBERS_PER_ADD_MAX
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.permissions import from_names, names_of
from hodhod_server.domain.tokens import Caller
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.membership import Ban, Listed, Membership
from hodhod_server.web.bodies import answer, moment, path_id, query_int, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.limits import ID_MAX, Id, TimeMs


class MemberView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member. `permissions`: an admin's own, or all that a restricted member keeps."""

    user: int
    name: str
    role: str
    permissions: list[str] | None = None
    muted_until: int | None = None
    joined_at: int | None = None


class MemberPage(msgspec.Struct, frozen=True):
    """Some of the members, by id; `next` is the `after` of the following page."""

    members: list[MemberView]
    next: int | None = None


class NewMembers(msgspec.Struct, frozen=True):
    """Who is to come in."""

    users: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=MEMBERS_PER_ADD_MAX)]


class AddedMembers(msgspec.Struct, frozen=True):
    """Who was not in it before."""

    added: list[int]


class EditMember(msgspec.Struct, frozen=True):
    """One of three: `role` (an admin's with `permissions`), `permissions` alone (the most that a
    member keeps; null: everything again), or `muted_until` (null: may write again).
    """

    role: Literal["admin", "member"] | None = None
    permissions: list[str] | UnsetType | None = UNSET
    muted_until: TimeMs | UnsetType | None = UNSET


class NewBan(msgspec.Struct, frozen=True):
    """Until when; left out: for good."""

    until: TimeMs | None = None


class BanView(msgspec.Struct, frozen=True):
    """Somebody who may not come in. Times in ms since the epoch."""

    user: int
    name: str
    until: int | None
    banned_by: int
    banned_at: int


class BanPage(msgspec.Struct, frozen=True):
    """Some of the bans in force, by id; `next` is the `after` of the following page."""

    bans: list[BanView]
    next: int | None = None


async def list_members(request: web.Request) -> web.Response:
    """A page of the members."""
    asker, chat = caller(request), path_id(request, "chat")
    role = request.query.get("role")
    if role not in (None, "admin"):
        raise Malformed("role is admin, or left out")
    after, limit = _page_of(request)
    found = await _service(request).page(
        asker, chat, after=after, limit=limit, admins_only=role is not None
    )
    last = found[-1].user if len(found) == limit else None
    return answer(MemberPage([_member(one) for one in found], last))


async def add_members(request: web.Request) -> web.Response:
    """Let people in."""
    asker, chat = caller(request), path_id(request, "chat")
    wanted = await read(request, NewMembers)
    added = await _service(request).add(asker, chat, wanted.users)
    return answer(AddedMembers(list(added)))


async def edit_member(request: web.Request) -> web.Response:
    """Change what a member is or may do."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    wanted = await read(request, EditMember)
    is_about_rights = wanted.role is not None or wanted.permissions is not UNSET
    if is_about_rights == (wanted.muted_until is not UNSET):
        raise Malformed("give role, permissions or muted_until")
    if not isinstance(wanted.muted_until, UnsetType):
        await _service(request).mute(asker, chat, user, moment(wanted.muted_until))
    elif wanted.role is None:
        await _set_permissions(_service(request), asker, chat, user, wanted)
    elif wanted.role == "admin":
        if not isinstance(wanted.permissions, list):
            raise Malformed("say which permissions the admin has")
        granted = from_names(wanted.permissions)
        await _service(request).appoint(asker, chat, user, granted)
    else:
        await _service(request).dismiss(asker, chat, user)
    return answer(Done())


async def _set_permissions(
    service: Membership, asker: Caller, chat: int, user: int, wanted: EditMember
) -> None:
    names = wanted.permissions
    kept = from_names(names) if isinstance(names, list) else None
    await service.restrict(asker, chat, user, kept)


async def remove_member(request: web.Request) -> web.Response:
    """Take a member out."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    await _service(request).remove(asker, chat, user)
    return answer(Done())


async def leave(request: web.Request) -> web.Response:
    """Leave a group or channel."""
    await _service(request).leave(caller(request), path_id(request, "chat"))
    return answer(Done())


async def list_bans(request: web.Request) -> web.Response:
    """A page of the bans in force."""
    asker, chat = caller(request), path_id(request, "chat")
    after, limit = _page_of(request)
    found = await _service(request).page_of_bans(asker, chat, after=after, limit=limit)
    return answer(
        BanPage([_ban(one) for one in found], found[-1].user if len(found) == limit else None)
    )


async def ban(request: web.Request) -> web.Response:
    """Keep somebody out."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    wanted = await read(request, NewBan)
    await _service(request).ban(asker, chat, user, moment(wanted.until))
    return answer(Done())


async def unban(request: web.Request) -> web.Response:
    """Let somebody come back."""
    asker, chat, user = caller(request), path_id(request, "chat"), path_id(request, "user")
    await _service(request).unban(asker, chat, user)
    return answer(Done())


def _service(request: web.Request) -> Membership:
    return request.app[INSIDE].membership


def _page_of(request: web.Request) -> tuple[int, int]:
    after = query_int(request, "after", maximum=ID_MAX) or 0
    limit = query_int(request, "limit", minimum=1, maximum=MEMBERS_PAGE_MAX)
    return after, limit or MEMBERS_PAGE_MAX


def _member(one: Listed) -> MemberView:
    return MemberView(
        one.user,
        one.name,
        one.role,
        None if one.permissions is None else names_of(one.permissions),
        None if one.muted_until is None else to_ms(one.muted_until),
        None if one.joined_at is None else to_ms(one.joined_at),
    )


def _ban(one: Ban) -> BanView:
    until = None if one.until is None else to_ms(one.until)
    return BanView(one.user, one.name, until, one.banned_by, to_ms(one.banned_at))


_CHAT: Final = "/v1/chats/{chat}"
_PAGED: Final = ("after", "limit")
ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{_CHAT}/members",
        handler=list_members,
        summary="Members, by id; with `role=admin` the owner and the admins only.",
        gives=MemberPage,
        query=(*_PAGED, "role"),
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/members",
        handler=add_members,
        summary="Let people in.",
        takes=NewMembers,
        gives=AddedMembers,
    ),
    Endpoint(
        method="PATCH",
        path=f"{_CHAT}/members/{{user}}",
        handler=edit_member,
        summary="Appoint or dismiss an admin, restrict or mute a member.",
        takes=EditMember,
        gives=Done,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_CHAT}/members/{{user}}",
        handler=remove_member,
        summary="Take a member out, who may come back.",
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path=f"{_CHAT}/leave",
        handler=leave,
        summary="Leave a group or channel.",
        gives=Done,
    ),
    Endpoint(
        method="GET",
        path=f"{_CHAT}/bans",
        handler=list_bans,
        summary="Who is kept out, by id.",
        gives=BanPage,
        query=_PAGED,
    ),
    Endpoint(
        method="PUT",
        path=f"{_CHAT}/bans/{{user}}",
        handler=ban,
        summary="Keep somebody out, for good or until a moment; a member is taken out.",
        takes=NewBan,
        gives=Done,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_CHAT}/bans/{{user}}",
        handler=unban,
        summary="Let somebody come back.",
        gives=Done,
    ),
)
