"""Ways into groups and channels, and for newcomers: `client.invites`.

A link is passed on as its token. Whoever has it sees where it leads and may come in, or, where an
admin has to approve, asks to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

from msgspec import Struct

from hodhod._addressing import AnyChat, Person, chat_id, user_id
from hodhod._api import Api
from hodhod._clock import ServerClock
from hodhod._groups import Nothing, TakeChat
from hodhod._http import Call
from hodhod._models import Chat, InviteLink, InvitePreview, JoinRequest, Voucher
from hodhod_wire import frames
from hodhod_wire.errors import ErrorCode


class _NewLink(Struct, frozen=True):
    expires_at: int | None
    uses_max: int | None
    requires_approval: bool


class _Links(Struct, frozen=True):
    links: list[InviteLink]


class _Joined(Struct, frozen=True):
    chat: frames.Chat | None


class _RequestPage(Struct, frozen=True):
    requests: list[JoinRequest]
    next: int | None = None


class Invites:
    """What is done with invitations. Reached as `client.invites`. Raises as `client.groups`."""

    def __init__(self, api: Api, clock: ServerClock, take_chat: TakeChat) -> None:
        self._api = api
        self._clock = clock
        self._take_chat = take_chat

    # --- newcomers -------------------------------------------------------------------------------

    async def vouch(self) -> Voucher:
        """A voucher for somebody who has no account yet: where many come, they wait less.

        Raises `TryLater` on an account that is too young, or has had all vouchers of this week.
        """
        call = Call(method="POST", path="/v1/me/vouchers", repeats=False)
        return await self._api.ask(call, Voucher)

    # --- who comes -------------------------------------------------------------------------------

    async def preview(self, token: str) -> InvitePreview:
        """Where a link leads, without coming in. Raises `NotFound` for one that is over."""
        return await self._api.ask(Call(method="GET", path=_invite(token)), InvitePreview)

    async def join(self, token: str) -> Chat | None:
        """Come in by a link. `None`: an admin has to approve first, and was asked to.

        After approval the chat comes as `ChatChanged`. Raises `NotFound` for a link that is over,
        `NotAllowed` with `banned`, `Refused` with `limit_reached`.
        """
        call = Call(method="POST", path=f"{_invite(token)}/join")
        joined = await self._api.ask(call, _Joined)
        return None if joined.chat is None else self._take_chat(joined.chat)

    # --- links -----------------------------------------------------------------------------------

    async def create(
        self,
        chat: AnyChat,
        *,
        valid_s: float | None = None,
        uses_max: int | None = None,
        requires_approval: bool = False,
    ) -> InviteLink:
        """A new link, for so many seconds or for ever, for so many people or for all.

        After `ConnectionLost` it may exist: look at `links`. Raises `InvalidInput`, `Refused` with
        `limit_reached`.
        """
        expires_at = None if valid_s is None else self._clock.now_ms() + round(valid_s * 1000)
        new = _NewLink(expires_at, uses_max, requires_approval)
        call = Call(method="POST", path=_path(chat, "links"), body=new, repeats=False)
        return await self._api.ask(call, InviteLink)

    async def links(self, chat: AnyChat) -> list[InviteLink]:
        """The links in force, oldest first."""
        call = Call(method="GET", path=_path(chat, "links"))
        return (await self._api.ask(call, _Links)).links

    async def revoke(self, chat: AnyChat, link: InviteLink | int) -> None:
        """Let nobody in by this link any more. Raises `NotFound` for one that is over."""
        number = link.link if isinstance(link, InviteLink) else link
        await self._do("DELETE", chat, f"links/{number}", settled_by=ErrorCode.INVITE_NOT_FOUND)

    # --- who waits -------------------------------------------------------------------------------

    async def requests(self, chat: AnyChat, *, after: Person = 0) -> AsyncIterator[JoinRequest]:
        """Who waits to be let in, by id, asked for in pages as they are needed."""
        following: int | None = user_id(after)
        while following is not None:
            path = _path(chat, f"join-requests?after={following}")
            page = await self._api.ask(Call(method="GET", path=path), _RequestPage)
            for request in page.requests:
                yield request
            following = page.next

    async def approve(self, chat: AnyChat, person: Person) -> None:
        """Let somebody in who asked. Raises `NotFound` for who does not wait."""
        await self._do("PUT", chat, f"join-requests/{user_id(person)}")

    async def decline(self, chat: AnyChat, person: Person) -> None:
        """Leave somebody outside who asked. Raises as `approve`."""
        tail = f"join-requests/{user_id(person)}"
        await self._do("DELETE", chat, tail, settled_by=ErrorCode.MEMBER_NOT_FOUND)

    # --- within ----------------------------------------------------------------------------------

    async def _do(self, method: str, chat: AnyChat, tail: str, *, settled_by: str = "") -> None:
        call = Call(method=method, path=_path(chat, tail), settled_by=settled_by)
        await self._api.ask(call, Nothing)


def _path(chat: AnyChat, tail: str) -> str:
    return f"/v1/chats/{chat_id(chat)}/{tail}"


def _invite(token: str) -> str:
    return f"/v1/invites/{quote(token, safe='')}"
