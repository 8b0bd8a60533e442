"""Groups and channels: `client.groups`. What people do with a chat that has many members.

A noun of its own, whose methods take the chat as all others do. Chats stay values that can be kept
and compared, an id from an event is enough to act, and writing and reading are the same for every
kind of chat. Durations are given in seconds and become moments of the server's clock, because that
of a device may be wrong. What a method changes comes as an event, too, to all devices.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, Literal

from msgspec import Struct

from hodhod._addressing import AnyChat, Person, chat_id, permission_names, user_id
from hodhod._api import Api
from hodhod._clock import ServerClock
from hodhod._http import Call
from hodhod._models import Ban, Chat, GroupMember
from hodhod_wire import frames
from hodhod_wire.errors import ErrorCode

VIEWS_PAGE: Final = 200
MEMBERS_PER_ADD: Final = 200

History = Literal["all", "from_joining"]
Kind = Literal["group", "channel"]
TakeChat = Callable[[frames.Chat], Chat]
TakeGone = Callable[[int], None]


class Nothing(Struct, frozen=True):
    """An answer that says only that it was done."""


class _New(Struct, frozen=True, kw_only=True):
    kind: Kind
    title: str
    about: str
    members: list[int]
    history: History
    signs_posts: bool = True


class _Edit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    title: str | None = None
    about: str | None = None
    default_permissions: list[str] | None = None
    slow_mode_s: int | None = None
    history: History | None = None
    signs_posts: bool | None = None


class _Users(Struct, frozen=True):
    users: list[int]


class _User(Struct, frozen=True):
    user: int


class _Added(Struct, frozen=True):
    added: list[int]


class _Role(Struct, frozen=True, omit_defaults=True):
    role: str
    permissions: list[str] | None = None


class _Kept(Struct, frozen=True):
    permissions: list[str] | None


class _Mute(Struct, frozen=True):
    muted_until: int | None


class _NewBan(Struct, frozen=True):
    until: int | None


class _MemberPage(Struct, frozen=True):
    members: list[GroupMember]
    next: int | None = None


class _BanPage(Struct, frozen=True):
    bans: list[Ban]
    next: int | None = None


class _PostViews(Struct, frozen=True):
    seq: int
    views: int


class _ViewPage(Struct, frozen=True):
    views: list[_PostViews]


class Groups:
    """What is done with groups and channels. Reached as `client.groups`.

    Each method raises `NotFound` for a chat that is private or not the person's, `NotAllowed`
    where the person lacks the permission, `TryLater`, `ConnectionLost`, `SignedOut`; what else it
    raises, it says.
    """

    def __init__(
        self, api: Api, clock: ServerClock, take_chat: TakeChat, take_gone: TakeGone
    ) -> None:
        self._api = api
        self._clock = clock
        self._take_chat = take_chat
        self._take_gone = take_gone

    # --- the whole -------------------------------------------------------------------------------

    async def found_group(
        self,
        title: str,
        *,
        about: str = "",
        members: Iterable[Person] = (),
        history: History = "all",
    ) -> Chat:
        """A new group, owned by the person, with these people in it; everybody may write.

        With `history="from_joining"` who comes later does not see what was before. After
        `ConnectionLost` it may exist: look among `client.chats()`. Raises `InvalidInput` for a
        title that cannot be used, `NotFound` for a user who does not exist, `Refused` with
        `limit_reached` for more than 200 members at once.
        """
        users = [user_id(person) for person in members]
        return await self._found(
            _New(kind="group", title=title, about=about, members=users, history=history)
        )

    async def found_channel(
        self,
        title: str,
        *,
        about: str = "",
        members: Iterable[Person] = (),
        history: History = "all",
        signs_posts: bool = False,
    ) -> Chat:
        """A new channel: admins write, any number of people read. Raises as `found_group`.

        Without `signs_posts` posts are the channel's own: their `sender` is 0 for everybody.
        """
        users = [user_id(person) for person in members]
        new = _New(
            kind="channel",
            title=title,
            about=about,
            members=users,
            history=history,
            signs_posts=signs_posts,
        )
        return await self._found(new)

    async def edit(
        self, chat: AnyChat, *, title: str | None = None, about: str | None = None
    ) -> Chat:
        """Change what it is called or about; what is left out stays. Raises `InvalidInput`."""
        return await self._edit(chat, _Edit(title=title, about=about))

    async def set_rules(
        self,
        chat: AnyChat,
        *,
        default_permissions: Iterable[str] | None = None,
        slow_mode_s: int | None = None,
        history: History | None = None,
        signs_posts: bool | None = None,
    ) -> Chat:
        """Change what everybody may do and see; what is left out stays. Raises `InvalidInput`.

        `slow_mode_s` is how long a member waits between two messages, at most an hour; 0 ends it.
        """
        permissions = None if default_permissions is None else permission_names(default_permissions)
        edit = _Edit(
            default_permissions=permissions,
            slow_mode_s=slow_mode_s,
            history=history,
            signs_posts=signs_posts,
        )
        return await self._edit(chat, edit)

    async def hand_over(self, chat: AnyChat, person: Person) -> None:
        """Make another member the owner; the person stays as an admin.

        Raises `NotFound` for who is no member.
        """
        await self._do("POST", _path(chat, "owner"), body=_User(user_id(person)))

    async def leave(self, chat: AnyChat) -> None:
        """Leave it. An owner hands it over before: `Refused` with `wrong_state`."""
        await self._do("POST", _path(chat, "leave"), settled_by=ErrorCode.CHAT_NOT_FOUND)
        self._take_gone(chat_id(chat))

    async def views(self, chat: AnyChat, first: int, last: int) -> dict[int, int]:
        """How many people read each post of a channel, by `seq`, from `first` up to `last`."""
        views: dict[int, int] = {}
        for start in range(first, last + 1, VIEWS_PAGE):
            end = min(last, start + VIEWS_PAGE - 1)
            path = _path(chat, f"views?from={start}&to={end}")
            page = await self._api.ask(Call(method="GET", path=path), _ViewPage)
            views |= {one.seq: one.views for one in page.views}
        return {seq: views.get(seq, 0) for seq in range(first, last + 1)}

    # --- members ---------------------------------------------------------------------------------

    async def members(
        self, chat: AnyChat, *, admins_only: bool = False, after: Person = 0
    ) -> AsyncIterator[GroupMember]:
        """The members, by id, asked for in pages as they are needed.

        Who stops goes on with the last one as `after`. A channel's readers are shown to admins.
        """
        query = "&role=admin" if admins_only else ""
        following: int | None = user_id(after)
        while following is not None:
            path = _path(chat, f"members?after={following}{query}")
            page = await self._api.ask(Call(method="GET", path=path), _MemberPage)
            for member in page.members:
                yield member
            following = page.next

    async def add(self, chat: AnyChat, people: Iterable[Person]) -> list[int]:
        """Let people in. Returns the ids of those who were not in it before.

        Raises `NotAllowed` with `banned`, `NotFound` for a user who does not exist, `Refused` with
        `limit_reached`.
        """
        users, added = [user_id(person) for person in people], list[int]()
        for start in range(0, len(users), MEMBERS_PER_ADD):
            body = _Users(users[start : start + MEMBERS_PER_ADD])
            call = Call(method="POST", path=_path(chat, "members"), body=body)
            added += (await self._api.ask(call, _Added)).added
        return added

    async def remove(self, chat: AnyChat, person: Person) -> None:
        """Take a member out, who may come back. Raises `NotFound` for who is no member."""
        path = _path(chat, f"members/{user_id(person)}")
        await self._do("DELETE", path, settled_by=ErrorCode.MEMBER_NOT_FOUND)

    async def appoint(self, chat: AnyChat, person: Person, permissions: Iterable[str]) -> None:
        """Make a member an admin with these permissions beyond everybody's, or change them.

        Raises `NotFound` for who is no member, `Refused` with `limit_reached`.
        """
        await self._edit_member(chat, person, _Role("admin", permission_names(permissions)))

    async def dismiss(self, chat: AnyChat, person: Person) -> None:
        """Make an admin a member again. Raises `Refused` with `wrong_state` for who is none."""
        await self._edit_member(chat, person, _Role("member"))

    async def restrict(self, chat: AnyChat, person: Person, permissions: Iterable[str]) -> None:
        """Leave a member at most these permissions. Raises `NotFound` for who is no member."""
        await self._edit_member(chat, person, _Kept(permission_names(permissions)))

    async def lift_restriction(self, chat: AnyChat, person: Person) -> None:
        """Let a member do again what everybody may. Raises as `restrict`."""
        await self._edit_member(chat, person, _Kept(None))

    async def mute(self, chat: AnyChat, person: Person, *, for_s: float) -> None:
        """Let a member write nothing for so many seconds. Raises `NotFound` for who is none."""
        await self._edit_member(chat, person, _Mute(self._moment(for_s)))

    async def unmute(self, chat: AnyChat, person: Person) -> None:
        """Let a member write again. Raises as `mute`."""
        await self._edit_member(chat, person, _Mute(None))

    # --- bans ------------------------------------------------------------------------------------

    async def ban(self, chat: AnyChat, person: Person, *, for_s: float | None = None) -> None:
        """Keep somebody out, for so many seconds or for good; a member is taken out.

        Raises `NotFound` for a user who does not exist.
        """
        until = None if for_s is None else self._moment(for_s)
        await self._do("PUT", _path(chat, f"bans/{user_id(person)}"), body=_NewBan(until))

    async def unban(self, chat: AnyChat, person: Person) -> None:
        """Let somebody come back. Raises `NotFound` for who is not banned."""
        path = _path(chat, f"bans/{user_id(person)}")
        await self._do("DELETE", path, settled_by=ErrorCode.MEMBER_NOT_FOUND)

    async def bans(self, chat: AnyChat, *, after: Person = 0) -> AsyncIterator[Ban]:
        """Who is kept out, by id; as `members`."""
        following: int | None = user_id(after)
        while following is not None:
            path = _path(chat, f"bans?after={following}")
            page = await self._api.ask(Call(method="GET", path=path), _BanPage)
            for ban in page.bans:
                yield ban
            following = page.next

    # --- within ----------------------------------------------------------------------------------

    async def _found(self, new: _New) -> Chat:
        call = Call(method="POST", path="/v1/chats", body=new, repeats=False)
        return self._take_chat(await self._api.ask(call, frames.Chat))

    async def _edit(self, chat: AnyChat, edit: _Edit) -> Chat:
        call = Call(method="PATCH", path=_path(chat), body=edit)
        return self._take_chat(await self._api.ask(call, frames.Chat))

    async def _edit_member(self, chat: AnyChat, person: Person, body: Struct) -> None:
        await self._do("PATCH", _path(chat, f"members/{user_id(person)}"), body=body)

    async def _do(
        self, method: str, path: str, *, body: Struct | None = None, settled_by: str = ""
    ) -> None:
        call = Call(method=method, path=path, body=body, settled_by=settled_by)
        await self._api.ask(call, Nothing)

    def _moment(self, for_s: float) -> int:
        return self._clock.now_ms() + round(for_s * 1000)


def _path(chat: AnyChat, tail: str = "") -> str:
    return f"/v1/chats/{chat_id(chat)}" + (f"/{tail}" if tail else "")
