"""Invite links: ways into a group or channel for whoever has the token, at once or by approval.

A place on a link is taken when somebody comes in by it or asks to, and is free again when an admin
declines; so `uses_max` bounds who is in or waits, however many come at once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hodhod_server.domain import policy
from hodhod_server.domain.chat_limits import LINKS_MAX
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import (
    ChatNotFound,
    InviteNotFound,
    LimitReached,
    MemberNotFound,
    WrongState,
)
from hodhod_server.domain.ids import ChatId, UserId, random_public_id
from hodhod_server.domain.permissions import Permission
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.chat_changes import Change, ChatChanges
from hodhod_server.services.rights import Rights
from hodhod_server.store import chats, groups, invites, members
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.invites import InviteLink, JoinRequest, NewLink
from hodhod_wire.frames import Chat

TOKEN_CHARS_MAX: Final = 43

__all__ = ["InviteLink", "Invites", "JoinRequest", "NewLink", "Preview"]


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a link shows before one joins."""

    kind: str
    title: str
    about: str
    member_count: int
    requires_approval: bool


class Invites:
    """What people do with links. Every method raises `ChatNotFound` for a chat of others."""

    def __init__(
        self, database: Database, rights: Rights, changes: ChatChanges, clock: Clock
    ) -> None:
        self._database = database
        self._rights = rights
        self._changes = changes
        self._clock = clock

    async def create(self, caller: Caller, chat: int, terms: NewLink) -> InviteLink:
        """A new link. Raises `Forbidden`, `LimitReached`, `WrongState` for one that is over."""
        now = self._clock.now()
        if terms.expires_at is not None and terms.expires_at <= now:
            raise WrongState("the link would be over already")
        async with self._changes.open(ChatId(chat), caller.user, is_joining=True) as change:
            change.raises_version = False
            policy.require(await change.actor(), Permission.MANAGE_LINKS)
            if await invites.count_in_force(change.tx, change.chat, now) >= LINKS_MAX:
                raise LimitReached(links_max=LINKS_MAX)
            return await invites.insert(
                change.tx, random_public_id(), change.chat, caller.user, terms, now
            )

    async def list_links(self, caller: Caller, chat: int) -> list[InviteLink]:
        """The links in force, those that are used up included. Raises `Forbidden`."""
        await self._require(caller, chat, Permission.MANAGE_LINKS)
        async with self._database.connection() as connection:
            return await invites.in_force(connection, ChatId(chat), self._clock.now())

    async def revoke(self, caller: Caller, chat: int, link: int) -> None:
        """Nobody comes in by it any more. Raises `Forbidden`, `InviteNotFound`."""
        async with self._changes.open(ChatId(chat), caller.user, is_joining=True) as change:
            change.raises_version = False
            policy.require(await change.actor(), Permission.MANAGE_LINKS)
            if not await invites.revoke(change.tx, change.chat, link, change.now):
                raise InviteNotFound

    async def preview(self, caller: Caller, token: str) -> Preview:
        """Where a link leads. Raises `InviteNotFound`."""
        async with self._database.connection() as connection:
            link = await self._find(connection, token)
            if not link.is_in_force(self._clock.now()):
                raise InviteNotFound
            group = await groups.find(connection, link.chat)
        if group is None:
            raise InviteNotFound
        return Preview(
            kind=group.kind,
            title=group.info.title,
            about=group.info.about,
            member_count=group.member_count,
            requires_approval=link.terms.requires_approval,
        )

    async def join(self, caller: Caller, token: str) -> Chat | None:
        """Come in by a link; a member gets the chat as it is. `None`: an admin has to approve.

        Raises `InviteNotFound`, `Banned`, `LimitReached`.
        """
        async with self._database.connection() as connection:
            link = await self._find(connection, token)
            seen = await chats.find_for_member(connection, caller.user, link.chat)
        if seen is not None:
            return seen
        async with self._changes.open(link.chat, caller.user, is_joining=True) as change:
            if link.terms.requires_approval:
                await self._ask(change, link)
            elif await change.let_in([caller.user]):
                await _take_place(change, link)
            change.concerned.add(caller.user)
        return change.states.get(caller.user)

    async def page_of_requests(
        self, caller: Caller, chat: int, *, after: int, limit: int
    ) -> list[JoinRequest]:
        """Who waits to be let in, by id. Raises `Forbidden`."""
        await self._require(caller, chat, Permission.APPROVE_REQUESTS)
        async with self._database.connection() as connection:
            return await invites.page_of_requests(
                connection, ChatId(chat), after=after, limit=limit
            )

    async def approve(self, caller: Caller, chat: int, user: int) -> None:
        """Let somebody in who asked. Raises `Forbidden`, `MemberNotFound`, `Banned`,
        `LimitReached`.
        """
        async with self._changes.open(ChatId(chat), caller.user, is_joining=True) as change:
            policy.require(await change.actor(), Permission.APPROVE_REQUESTS)
            if await invites.take_request(change.tx, change.chat, UserId(user)) is None:
                raise MemberNotFound
            await change.let_in([UserId(user)])

    async def decline(self, caller: Caller, chat: int, user: int) -> None:
        """Somebody who asked stays out. Raises `Forbidden`, `MemberNotFound`."""
        async with self._changes.open(ChatId(chat), caller.user, is_joining=True) as change:
            change.raises_version = False
            policy.require(await change.actor(), Permission.APPROVE_REQUESTS)
            link = await invites.take_request(change.tx, change.chat, UserId(user))
            if link is None:
                raise MemberNotFound
            await invites.give_back(change.tx, link)

    async def _ask(self, change: Change, link: InviteLink) -> None:
        change.raises_version = False
        await change.require_not_banned([change.by])
        if await members.are_in(change.tx, change.chat, [change.by]):
            return
        if await invites.request(change.tx, change.chat, change.by, link.link, change.now):
            await _take_place(change, link)

    async def _find(self, tx: Tx, token: str) -> InviteLink:
        link = None
        if len(token) <= TOKEN_CHARS_MAX and token.isascii() and token.isprintable():
            link = await invites.find_by_token(tx, token)
        if link is None or link.is_revoked:
            raise InviteNotFound
        return link

    async def _require(self, caller: Caller, chat: int, permission: Permission) -> None:
        standing = await self._rights.require_member(caller.user, ChatId(chat))
        if standing.chat.kind == "private":
            raise ChatNotFound("this is a private chat")
        policy.require(standing, permission)


async def _take_place(change: Change, link: InviteLink) -> None:
    if not await invites.use(change.tx, link.link, change.now):
        raise InviteNotFound
