"""The fake's HTTP for groups and channels: changes memory and pushes what was changed."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from aiohttp import web

from hodhod._models import Permission
from hodhod.testing._doors import Doors, problem
from hodhod.testing._gateway import AT_MS, Gateway
from hodhod.testing._groups import GROUP_DEFAULT, Denied, FakeGroup, FakeInvite, Seat
from hodhod.testing._logs import FakeChat, Logs, encoded
from hodhod_wire.errors import ErrorCode
from hodhod_wire.events import Changed, Created, Joined, Left, Notice, Removed
from hodhod_wire.frames import ChatGone, ChatPush, EventPush
from hodhod_wire.limits import ID_MAX

PAGE: Final = 2  # small, so that pages are met in short tests
CHAT: Final = "/v1/chats/{chat:[0-9]+}"
_Handler = Callable[[web.Request, int, dict[str, Any]], Awaitable[Any]]


class GroupDoors:
    """The requests of `client.groups` and `client.invites`."""

    def __init__(self, logs: Logs, doors: Doors, gateway: Gateway) -> None:
        self._logs = logs
        self._doors = doors
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        """What the API role serves."""
        handlers: list[tuple[str, str, _Handler]] = [
            ("POST", "/v1/chats", self._found),
            ("PATCH", CHAT, self._edit),
            ("POST", f"{CHAT}/owner", self._hand_over),
            ("POST", f"{CHAT}/leave", self._leave),
            ("GET", f"{CHAT}/views", self._views),
            ("GET", f"{CHAT}/members", self._members),
            ("POST", f"{CHAT}/members", self._add),
            ("PATCH", f"{CHAT}/members/{{user}}", self._edit_member),
            ("DELETE", f"{CHAT}/members/{{user}}", self._remove),
            ("GET", f"{CHAT}/bans", self._bans),
            ("PUT", f"{CHAT}/bans/{{user}}", self._ban),
            ("DELETE", f"{CHAT}/bans/{{user}}", self._unban),
            ("GET", f"{CHAT}/links", self._links),
            ("POST", f"{CHAT}/links", self._create_link),
            ("DELETE", f"{CHAT}/links/{{link}}", self._revoke),
            ("GET", "/v1/invites/{token}", self._preview),
            ("POST", "/v1/invites/{token}/join", self._join),
            ("GET", f"{CHAT}/join-requests", self._requests),
            ("PUT", f"{CHAT}/join-requests/{{user}}", self._approve),
            ("DELETE", f"{CHAT}/join-requests/{{user}}", self._decline),
        ]
        return [
            web.route(method, path, self._guarded(handler)) for method, path, handler in handlers
        ]

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                user = self._doors.user_of(request.headers.get("Authorization", ""))
                if user is None:
                    raise Denied(ErrorCode.UNAUTHENTICATED)
                body = msgspec.json.decode(await request.read() or b"{}")
                answer = await handler(request, user, body)
            except Denied as denied:
                return problem(denied.code, denied.status)
            if self._gateway.loses_answer() and request.transport is not None:
                request.transport.abort()
            data = msgspec.json.encode({} if answer is None else answer)
            return web.Response(body=data, content_type="application/json")

        return handle

    # --- the whole -------------------------------------------------------------------------------

    async def _found(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        if not body["title"].strip():
            raise Denied(ErrorCode.TITLE_INVALID)
        given = {name: body[name] for name in ("title", "about", "history", "signs_posts")}
        default = list(GROUP_DEFAULT) if body["kind"] == "group" else []
        settings = {**given, "default_permissions": default, "slow_mode_s": 0}
        group = FakeGroup(kind=body["kind"], settings=settings)
        chat = self._logs.found(group)
        others = [one for one in body["members"] if one != user]
        self._seat(chat, [user, *others])
        group.seats[user].role = "owner"
        for seat in group.seats.values():
            seat.first_seq = 1
        told = others if group.kind == "group" else []
        await self._note(chat, user, Created(group.settings["title"], told))
        await self._push_states(chat, group.seats)
        return self._logs.describe(chat, user)

    async def _edit(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        is_about_rules = not body.keys() <= {"title", "about"}
        group.require(user, Permission.PROMOTE if is_about_rules else Permission.CHANGE_INFO)
        if not body.get("title", "x").strip():
            raise Denied(ErrorCode.TITLE_INVALID)
        changed = {name: value for name, value in body.items() if group.settings[name] != value}
        group.settings |= changed
        if changed:
            await self._note(chat, user, Changed(**changed))
        return self._logs.describe(chat, user)

    async def _hand_over(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        if group.seats[user].role != "owner":
            raise Denied(ErrorCode.FORBIDDEN)
        group.require_seat(body["user"]).role = "owner"
        group.seats[user].role, group.seats[user].permissions = "admin", list(Permission)
        await self._push_states(chat, (user, body["user"]))

    async def _leave(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        if group.seats[user].role == "owner" and len(group.seats) > 1:
            raise Denied(ErrorCode.WRONG_STATE)
        await self._take_out(chat, group, user, Left(user), by=user)

    async def _views(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, _ = self._of(request, user)
        first, last = int(request.query["from"]), int(request.query["to"])
        views = {
            seq: sum(read >= seq for _, read in chat.members.values())
            for seq in range(first, last + 1)
        }
        return {"views": [{"seq": seq, "views": count} for seq, count in views.items() if count]}

    # --- members ---------------------------------------------------------------------------------

    async def _members(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        if group.kind == "channel":
            group.require(user, Permission.MANAGE_MEMBERS)
        admins_only = "role" in request.query
        seats = {
            member: seat
            for member, seat in group.seats.items()
            if seat.role != "member" or not admins_only
        }
        return _page(
            request, "members", {one: self._seen(one, seat) for one, seat in seats.items()}
        )

    def _seen(self, user: int, seat: Seat) -> dict[str, Any]:
        return {
            "user": user,
            "name": self._logs.names[user],
            "role": seat.role,
            "permissions": seat.permissions,
            "muted_until": seat.muted_until,
            "joined_at": AT_MS,
        }

    async def _add(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        group.require(user, Permission.INVITE)
        return {"added": await self._let_in(chat, group, body["users"], by=user)}

    async def _edit_member(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        group.require(user, Permission.PROMOTE if "role" in body else Permission.MANAGE_MEMBERS)
        member = int(request.match_info["user"])
        seat = group.require_seat(member)
        if "muted_until" in body:
            seat.muted_until = body["muted_until"]
        else:
            seat.role = body.get("role", seat.role)
            seat.permissions = body.get("permissions")
        await self._push_states(chat, [member])

    async def _remove(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        group.require(user, Permission.MANAGE_MEMBERS)
        member = int(request.match_info["user"])
        group.require_seat(member)
        await self._take_out(chat, group, member, Removed(member), by=user)

    async def _bans(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.MANAGE_MEMBERS)
        rows = {
            banned: {
                "user": banned,
                "name": self._logs.names[banned],
                "until": until,
                "banned_by": by,
                "banned_at": AT_MS,
            }
            for banned, (until, by) in group.bans.items()
        }
        return _page(request, "bans", rows)

    async def _ban(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group = self._of(request, user)
        group.require(user, Permission.MANAGE_MEMBERS)
        member = int(request.match_info["user"])
        self._require_people([member])
        group.bans[member] = (body["until"], user)
        if member in group.seats:
            await self._take_out(chat, group, member, Removed(member), by=user)

    async def _unban(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.MANAGE_MEMBERS)
        if group.bans.pop(int(request.match_info["user"]), None) is None:
            raise Denied(ErrorCode.MEMBER_NOT_FOUND)

    # --- invitations -----------------------------------------------------------------------------

    async def _links(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.MANAGE_LINKS)
        return {"links": group.invites}

    async def _create_link(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.MANAGE_LINKS)
        number = sum(len(one.group.invites) for one in self._logs.chats.values() if one.group) + 1
        group.invites.append(FakeInvite(link=number, created_by=user, **body))
        return group.invites[-1]

    async def _revoke(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.MANAGE_LINKS)
        number = int(request.match_info["link"])
        before = len(group.invites)
        group.invites = [one for one in group.invites if one.link != number]
        if len(group.invites) == before:
            raise Denied(ErrorCode.INVITE_NOT_FOUND)

    async def _preview(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group, invite = self._invited(request)
        return {
            "kind": group.kind,
            "title": group.settings["title"],
            "about": group.settings["about"],
            "member_count": len(group.seats),
            "requires_approval": invite.requires_approval,
        }

    async def _join(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group, invite = self._invited(request)
        if user in group.bans:
            raise Denied(ErrorCode.BANNED)
        if user not in group.seats and user not in group.waiting:
            invite.uses += 1
            if invite.requires_approval:
                group.waiting[user] = invite
            else:
                await self._let_in(chat, group, [user], by=user)
        return {"chat": self._logs.describe(chat, user) if user in group.seats else None}

    async def _requests(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, group = self._of(request, user)
        group.require(user, Permission.APPROVE_REQUESTS)
        rows = {
            one: {"user": one, "name": self._logs.names[one], "requested_at": AT_MS}
            for one in group.waiting
        }
        return _page(request, "requests", rows)

    async def _approve(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        chat, group, _ = self._take_waiting(request, user)
        await self._let_in(chat, group, [int(request.match_info["user"])], by=user)

    async def _decline(self, request: web.Request, user: int, body: dict[str, Any]) -> Any:
        _, _, invite = self._take_waiting(request, user)
        invite.uses -= 1

    # --- within ----------------------------------------------------------------------------------

    def _of(self, request: web.Request, user: int) -> tuple[FakeChat, FakeGroup]:
        chat = self._logs.chats.get(int(request.match_info["chat"]))
        if chat is None or chat.group is None or user not in chat.members:
            raise Denied(ErrorCode.CHAT_NOT_FOUND)
        return chat, chat.group

    def _invited(self, request: web.Request) -> tuple[FakeChat, FakeGroup, FakeInvite]:
        token = request.match_info["token"]
        for chat in self._logs.chats.values():
            if chat.group and any(one.token == token for one in chat.group.invites):
                return chat, chat.group, chat.group.require_invite(token)
        raise Denied(ErrorCode.INVITE_NOT_FOUND)

    def _take_waiting(
        self, request: web.Request, user: int
    ) -> tuple[FakeChat, FakeGroup, FakeInvite]:
        chat, group = self._of(request, user)
        group.require(user, Permission.APPROVE_REQUESTS)
        invite = group.waiting.pop(int(request.match_info["user"]), None)
        if invite is None:
            raise Denied(ErrorCode.MEMBER_NOT_FOUND)
        return chat, group, invite

    async def _let_in(
        self, chat: FakeChat, group: FakeGroup, users: Iterable[int], *, by: int
    ) -> list[int]:
        new = [user for user in users if user not in group.seats]
        if any(user in group.bans for user in new):
            raise Denied(ErrorCode.BANNED)
        self._seat(chat, new)
        if new and group.kind == "group":
            await self._note(chat, by, Joined(new))
        await self._push_states(chat, new)
        return new

    def _seat(self, chat: FakeChat, users: list[int]) -> None:
        assert chat.group is not None
        self._require_people(users)
        last = len(chat.log)
        first_seq = 1 if chat.group.settings["history"] == "all" else last + 1
        for user in users:
            chat.members[user] = [last, last]
            chat.group.seats[user] = Seat(first_seq=first_seq)

    def _require_people(self, users: Iterable[int]) -> None:
        if any(user not in self._logs.names for user in users):
            raise Denied(ErrorCode.USER_NOT_FOUND)

    async def _take_out(
        self, chat: FakeChat, group: FakeGroup, user: int, notice: Notice, *, by: int
    ) -> None:
        del group.seats[user], chat.members[user]
        await self._gateway.push(ChatGone(chat=chat.id), {user})
        if group.kind == "group":
            await self._note(chat, by, notice)

    async def _note(self, chat: FakeChat, by: int, notice: Notice) -> None:
        client_id = secrets.randbelow(ID_MAX) + 1
        message = self._logs.append(chat.id, by, client_id, notice, AT_MS)
        await self._gateway.push(EventPush(event=encoded(message)), set(chat.members))

    async def _push_states(self, chat: FakeChat, users: Iterable[int]) -> None:
        for user in users:
            await self._gateway.push(ChatPush(chat=self._logs.describe(chat, user)), {user})


def _page(request: web.Request, name: str, rows: dict[int, Any]) -> dict[str, Any]:
    after = int(request.query["after"])
    found = [rows[number] for number in sorted(rows) if number > after]
    last = found[PAGE - 1]["user"] if len(found) >= PAGE else None
    return {name: found[:PAGE], "next": last}
