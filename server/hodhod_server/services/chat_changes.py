"""A change of a group or channel: one transaction on its held rows, and what follows its COMMIT.

A use case opens a change, asks the policy, writes rows, and says whom it concerns. Before COMMIT
the chat's version rises and the notices take their place in the log; after it remembered rights are
forgotten here and on the other gateways, and the pushes leave.

Always true: nothing leaves before COMMIT; what is written after it was checked against the change.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from hodhod_server.cluster.broker import Broker, BrokerUnavailable, Envelope
from hodhod_server.domain.chat_limits import BROADCAST_MEMBERS, GROUP_MEMBERS_MAX
from hodhod_server.domain.chat_log import Draft
from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import Banned, ChatNotFound, LimitReached, UserNotFound
from hodhod_server.domain.ids import ChatId, ClientId, UserId
from hodhod_server.domain.memberships import ChatKind, MemberRole, Standing
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.messaging import Announcer
from hodhod_server.services.rights import Rights
from hodhod_server.store import chats, groups, invites, members, messages
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.group_commit import Committed
from hodhod_server.store.groups import Group, Info
from hodhod_server.telemetry import logs
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Changed, Joined, Notice
from hodhod_wire.frames import Chat, ChatGone, ChatPush
from hodhod_wire.limits import ID_MAX

log = logs.get("chat_changes")


class Change:
    """One change under way. `group` is as it was when it was locked."""

    def __init__(self, tx: Tx, group: Group, by: UserId, clock: Clock) -> None:
        self.tx: Final = tx
        self.group: Final = group
        self.by: Final = by
        self.now: Final = clock.now()
        self.hides_sender = not group.signs
        self.raises_version = True
        self.notices: list[Notice] = []
        self.concerned: set[UserId] = set()
        self.gone: set[UserId] = set()
        self.audience: tuple[UserId, ...] = ()
        self.told: list[Committed] = []
        self.states: dict[UserId, Chat] = {}

    @property
    def chat(self) -> ChatId:
        return self.group.chat

    async def actor(self) -> Standing:
        """Who makes the change. Raises `ChatNotFound`: no member."""
        member = await members.find(self.tx, self.chat, self.by)
        if member is None:
            raise ChatNotFound
        return Standing(self.group.rights, member)

    async def let_in(self, users: Iterable[UserId]) -> list[UserId]:
        """Make people members; returns who was none before.

        Raises `Banned`, `LimitReached`, and `UserNotFound` for people who do not exist.
        """
        wanted = set(users)
        wanted -= await members.are_in(self.tx, self.chat, wanted)
        if not wanted:
            return []
        await self.require_not_banned(wanted)
        count = self.group.member_count + len(wanted)
        if self.group.kind is ChatKind.GROUP and count > GROUP_MEMBERS_MAX:
            raise LimitReached(members_max=GROUP_MEMBERS_MAX)
        added = await members.add(self.tx, self.group, wanted, self.now)
        if len(added) < len(wanted):
            raise UserNotFound
        await invites.forget_requests(self.tx, self.chat, added)
        self.concerned.update(added)
        if self.group.tells_members:
            self.notices.append(Joined(users=list(added)))
        if count > BROADCAST_MEMBERS and not self.group.is_broadcast:
            await self._become_broadcast()
        return added

    async def require_not_banned(self, users: Iterable[UserId]) -> None:
        """Raises `Banned`."""
        bans = await members.bans_in_force(self.tx, self.chat, users, self.now)
        for until in bans.values():
            raise Banned if until is None else Banned(until=to_ms(until))

    async def prepare(self) -> None:
        """The end of the transaction: the version, the log, and what those concerned now see."""
        if self.raises_version:
            await groups.raise_version(self.tx, self.chat)
        if self.notices and not self.group.is_broadcast:
            self.audience = await members.users_of(self.tx, self.chat)
        for notice in self.notices:
            draft = Draft(
                self.chat,
                self.by,
                ClientId(secrets.randbelow(ID_MAX) + 1),
                MSGPACK.encode(notice),
                self.audience,
                is_broadcast=self.group.is_broadcast,
                hides_sender=self.hides_sender,
            )
            appended = await messages.append_notice(self.tx, draft, self.now)
            self.told.append(Committed(draft, appended))
        if self.concerned:
            self.states = await chats.seen_by(self.tx, self.chat, self.concerned)

    async def _become_broadcast(self) -> None:
        await groups.become_broadcast(self.tx, self.chat)
        self.notices.append(Changed(broadcast=True))


class ChatChanges:
    """Opens changes and tells of them."""

    def __init__(
        self,
        database: Database,
        rights: Rights,
        delivery: Delivery,
        announcer: Announcer,
        broker: Broker,
        clock: Clock,
    ) -> None:
        self._database = database
        self._rights = rights
        self._delivery = delivery
        self._announcer = announcer
        self._broker = broker
        self._clock = clock

    @contextlib.asynccontextmanager
    async def open(
        self, chat: ChatId, by: UserId, *, is_joining: bool = False
    ) -> AsyncIterator[Change]:
        """A change of a chat, committed and told when the block ends. Raises `ChatNotFound`.

        One that lets people in holds up no message of a broadcast chat.
        """
        async with self._database.transaction() as tx:
            change = Change(tx, await _locked(tx, chat, is_joining=is_joining), by, self._clock)
            change.raises_version = not (is_joining and change.group.is_broadcast)
            yield change
            await change.prepare()
        await self._tell(change)

    @contextlib.asynccontextmanager
    async def founding(self, kind: ChatKind, info: Info, by: UserId) -> AsyncIterator[Change]:
        """A new group or channel of this owner's."""
        async with self._database.transaction() as tx:
            group = await groups.find(tx, await groups.insert(tx, kind, info, self._clock.now()))
            assert group is not None
            await members.add(tx, group, [by], self._clock.now(), role=MemberRole.OWNER)
            group = msgspec.structs.replace(group, member_count=1)
            change = Change(tx, group, by, self._clock)
            change.concerned.add(by)
            yield change
            await change.prepare()
        await self._tell(change)

    async def _tell(self, change: Change) -> None:
        if not (change.raises_version or change.states or change.gone):
            return
        version = change.group.version + change.raises_version
        self._rights.note_version(change.chat, version)
        personal = [
            Envelope((user,), MSGPACK.encode(ChatPush(chat=chat)))
            for user, chat in change.states.items()
        ]
        if change.gone:
            frame = MSGPACK.encode(ChatGone(chat=change.chat))
            personal.append(Envelope(tuple(change.gone), frame))
        self._delivery.enqueue(personal)
        self._announcer.announce(change.told)
        whose = {*change.concerned, *change.gone}
        if any(notice == Changed(broadcast=True) for notice in change.notices):
            whose.update(change.audience)  # from now on each gateway must know its members
        try:
            await self._broker.announce_chat_changed(change.chat, version, sorted(whose))
        except BrokerUnavailable:
            log.warning("change.not_announced")  # the others find out within `rights.TRUSTED_S`


async def _locked(tx: Tx, chat: ChatId, *, is_joining: bool) -> Group:
    if is_joining:
        found = await groups.find(tx, chat)
        if found is not None and found.is_broadcast:
            found = await groups.lock_for_joining(tx, chat)
        elif found is not None:
            found = await groups.lock(tx, chat)
    else:
        found = await groups.lock(tx, chat)
    if found is None:
        raise ChatNotFound
    return found
