"""Members of groups and channels: coming in, leaving, what each may do, and who is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hodhod_server.domain import policy
from hodhod_server.domain.chat_limits import ADMINS_MAX, MEMBERS_PER_ADD_MAX
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import (
    ChatNotFound,
    Forbidden,
    LimitReached,
    MemberNotFound,
    UserNotFound,
    WrongState,
)
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import ChatKind, MemberRole, Standing
from hodhod_server.domain.permissions import FOR_MEMBERS, Permission
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.chat_changes import Change, ChatChanges
from hodhod_server.services.rights import Rights
from hodhod_server.store import accounts, invites, members
from hodhod_server.store.database import Database
from hodhod_server.store.members import Ban, Listed
from hodhod_wire.events import Left, Removed

__all__ = ["Ban", "Listed", "Membership"]


class Membership:
    """What people do with members. Every method raises `ChatNotFound` for a chat of others."""

    def __init__(
        self, database: Database, rights: Rights, changes: ChatChanges, clock: Clock
    ) -> None:
        self._database = database
        self._rights = rights
        self._changes = changes
        self._clock = clock

    async def page(
        self, caller: Caller, chat: int, *, after: int, limit: int, admins_only: bool
    ) -> list[Listed]:
        """Members by id. Raises `Forbidden`: readers of a channel are not shown to one another."""
        standing = await self._require_group(caller, chat)
        if standing.chat.kind is ChatKind.CHANNEL and standing.member.role is MemberRole.MEMBER:
            raise Forbidden
        async with self._database.connection() as connection:
            return await members.page(
                connection, ChatId(chat), after=after, limit=limit, admins_only=admins_only
            )

    async def add(self, caller: Caller, chat: int, users: Sequence[int]) -> list[UserId]:
        """Let people in; returns who was not in it before.

        Raises `Forbidden`, `Banned`, `LimitReached`, `UserNotFound`.
        """
        if len(users) > MEMBERS_PER_ADD_MAX:
            raise LimitReached(members_per_add_max=MEMBERS_PER_ADD_MAX)
        async with self._changes.open(ChatId(chat), caller.user, is_joining=True) as change:
            policy.require(await change.actor(), Permission.INVITE)
            return await change.let_in(UserId(user) for user in users)

    async def leave(self, caller: Caller, chat: int) -> None:
        """Raises `WrongState` for the owner, who hands the chat over first."""
        async with self._changes.open(ChatId(chat), caller.user) as change:
            policy.require_can_leave((await change.actor()).member)
            await members.remove(change.tx, change.chat, caller.user)
            change.gone.add(caller.user)
            if change.group.tells_members:
                change.notices.append(Left(user=caller.user))

    async def remove(self, caller: Caller, chat: int, user: int) -> None:
        """Take a member out, who may come back. Raises `Forbidden`, `MemberNotFound`."""
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = await change.actor()
            policy.require(actor, Permission.MANAGE_MEMBERS)
            target = await members.load(change.tx, change.chat, UserId(user))
            policy.require_can_manage(actor, target)
            await _take_out(change, target.user)

    async def appoint(self, caller: Caller, chat: int, user: int, permissions: Permission) -> None:
        """Make a member an admin with these permissions, or change an admin's.

        Raises `Forbidden`, `MemberNotFound`, `LimitReached`.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = await change.actor()
            policy.require(actor, Permission.PROMOTE)
            target = await members.load(change.tx, change.chat, UserId(user))
            policy.require_can_appoint(actor, target, permissions)
            if target.role is MemberRole.MEMBER:
                if await members.count_admins(change.tx, change.chat) >= ADMINS_MAX:
                    raise LimitReached(admins_max=ADMINS_MAX)
                promoted_by: UserId | None = caller.user
            else:
                promoted_by = target.promoted_by
            await members.set_role(
                change.tx, change.chat, target.user, MemberRole.ADMIN, permissions, promoted_by
            )
            change.concerned.add(target.user)

    async def dismiss(self, caller: Caller, chat: int, user: int) -> None:
        """Make an admin a member again. Raises `Forbidden`, `MemberNotFound`, `WrongState`."""
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = await change.actor()
            policy.require(actor, Permission.PROMOTE)
            target = await members.load(change.tx, change.chat, UserId(user))
            policy.require_can_dismiss(actor, target)
            if target.role is not MemberRole.ADMIN:
                raise WrongState("this member is no admin")
            await members.set_role(change.tx, change.chat, target.user, MemberRole.MEMBER)
            change.concerned.add(target.user)

    async def restrict(
        self, caller: Caller, chat: int, user: int, permissions: Permission | None
    ) -> None:
        """The most that a member keeps of what members may; `None`: all of it.

        Raises `Forbidden`, `MemberNotFound`, `WrongState` for an admin.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            target = await self._managed_member(change, UserId(user))
            kept = None if permissions is None else permissions & FOR_MEMBERS
            await members.restrict(change.tx, change.chat, target, kept)
            change.concerned.add(target)

    async def mute(self, caller: Caller, chat: int, user: int, until: datetime | None) -> None:
        """A member may not write until then; `None`: may again.

        Raises `Forbidden`, `MemberNotFound`, `WrongState` for an admin.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            target = await self._managed_member(change, UserId(user))
            await members.mute(change.tx, change.chat, target, until)
            change.concerned.add(target)

    async def page_of_bans(self, caller: Caller, chat: int, *, after: int, limit: int) -> list[Ban]:
        """Who is kept out, by id. Raises `Forbidden`."""
        policy.require(await self._require_group(caller, chat), Permission.MANAGE_MEMBERS)
        async with self._database.connection() as connection:
            return await members.page_of_bans(
                connection, ChatId(chat), self._clock.now(), after=after, limit=limit
            )

    async def ban(self, caller: Caller, chat: int, user: int, until: datetime | None) -> None:
        """Keep somebody out until then (`None`: for good); a member is taken out.

        Raises `Forbidden`, `UserNotFound`.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = await change.actor()
            policy.require_can_ban_stranger(actor)
            target = await members.find(change.tx, change.chat, UserId(user))
            if target is not None:
                policy.require_can_manage(actor, target)
                await _take_out(change, target.user)
            elif await accounts.find_user(change.tx, UserId(user)) is None:
                raise UserNotFound
            await members.ban(change.tx, change.chat, UserId(user), until, caller.user, change.now)
            await invites.forget_requests(change.tx, change.chat, [UserId(user)])

    async def unban(self, caller: Caller, chat: int, user: int) -> None:
        """Let somebody come back, who has to come by themselves. Raises `Forbidden`,
        `MemberNotFound`: was not banned.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            change.raises_version = False
            policy.require_can_ban_stranger(await change.actor())
            if not await members.unban(change.tx, change.chat, UserId(user)):
                raise MemberNotFound

    async def _managed_member(self, change: Change, user: UserId) -> UserId:
        """A plain member whom the caller may restrict."""
        actor = await change.actor()
        policy.require(actor, Permission.MANAGE_MEMBERS)
        target = await members.load(change.tx, change.chat, user)
        policy.require_can_manage(actor, target)
        if target.role is not MemberRole.MEMBER:
            raise WrongState("dismiss the admin first")
        return target.user

    async def _require_group(self, caller: Caller, chat: int) -> Standing:
        standing = await self._rights.require_member(caller.user, ChatId(chat))
        if standing.chat.kind is ChatKind.PRIVATE:
            raise ChatNotFound("this is a private chat")
        return standing


async def _take_out(change: Change, user: UserId) -> None:
    await members.remove(change.tx, change.chat, user)
    change.gone.add(user)
    if change.group.tells_members:
        change.notices.append(Removed(user=user))
