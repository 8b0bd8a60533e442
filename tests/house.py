"""The services of one gateway over a real database, without sockets: every push is written down.

Several houses may stand on one database and one Valkey, as gateways do; they do not hear the bus,
so what one remembers of a chat is old as soon as another changes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from hodhod_server.cluster.broker import Envelope
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.rate_limit import SlowPace
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import (
    ChatId,
    DeviceId,
    GatewayId,
    MediaId,
    UserId,
    random_public_id,
)
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.load import Level
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.chat_changes import ChatChanges
from hodhod_server.services.chats import Chats
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.groups import Groups, NewGroup
from hodhod_server.services.invites import Invites
from hodhod_server.services.media_news import MediaNews
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Announcer, Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.posting import Posting
from hodhod_server.services.rights import Rights
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.views import Views
from hodhod_server.settings import RedisSettings, Settings
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from hodhod_server.store.group_commit import GroupCommit
from hodhod_server.store.uploads import Lifetime, NewUpload
from hodhod_wire.events import File, Text
from hodhod_wire.frames import Send
from tests.eventually import eventually


class Pushed:
    """Where pushes go instead of to connections."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes += envelopes

    def on_gap(self) -> None:
        raise AssertionError

    def on_gap_for(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        raise AssertionError

    def on_device_ended(self, device: DeviceId) -> None:
        raise AssertionError

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        raise AssertionError


class Calm:
    """A process with nothing else to do."""

    level = Level.CALM


class House:
    """One gateway's services. Messages are written from `start_writing` on."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        settings: Settings,
        broker: RedisBroker,
        pace: SlowPace,
    ) -> None:
        self.database = database
        self._clock = clock
        self.pushed = Pushed()
        self.delivery = Delivery(broker, self.pushed)
        self.rights = Rights(database)
        posting = Posting(self.rights, pace, clock)
        announcer = Announcer(self.delivery)
        self.writer = GroupCommit(
            database, settings.group_commit, clock, announcer.announce, posting.recheck
        )
        self.news = MediaNews(database, announcer, clock)
        announcer.when_awaiting(self.news.note)
        changes = ChatChanges(database, self.rights, self.delivery, announcer, broker, clock)
        self.messaging = Messaging(database, posting, self.writer)
        self.chats = Chats(database, keys, clock)
        self.groups = Groups(changes)
        self.membership = Membership(database, self.rights, changes, clock)
        self.invites = Invites(database, self.rights, changes, clock)
        self.views = Views(database, self.rights)
        self.syncing = Syncing(database, self.rights)
        self.positions = PositionKeeper(database, self.rights, self.delivery, Calm())
        self.typing = TypingHints(self.rights, self.delivery, Calm())

    async def found(
        self,
        owner: Caller,
        users: Sequence[UserId] = (),
        kind: str = "group",
        *,
        signs_posts: bool = True,
    ) -> ChatId:
        """A new group or channel."""
        new = NewGroup(kind=ChatKind(kind), title="کوه", users=users, signs_posts=signs_posts)
        return ChatId((await self.groups.create(owner, new)).chat)

    async def settled(self) -> None:
        """Return when every push that was queued has been handed on: the last is a mark."""
        mark = Envelope((), secrets.token_bytes(8))
        self.delivery.enqueue([mark])
        await eventually(lambda: mark in self.pushed.envelopes)
        self.pushed.envelopes.remove(mark)

    async def submit(self, who: Caller, chat: int, text: str = "سلام") -> asyncio.Future[Appended]:
        """Queue a text under a new client_id."""
        client_id = secrets.randbelow(2**53 - 1) + 1
        return await self.messaging.submit(
            who, Send(chat=chat, client_id=client_id, body=Text(text=text))
        )

    async def submit_file(self, who: Caller, chat: int, media: str) -> asyncio.Future[Appended]:
        """Queue a message that names a file of three bytes under a new client_id."""
        body = File(media=media, name="a.png", size=3, type="image/png")
        client_id = secrets.randbelow(2**53 - 1) + 1
        return await self.messaging.submit(who, Send(chat=chat, client_id=client_id, body=body))

    async def begin_file(self, who: Caller) -> MediaId:
        """An upload of three bytes of which none has come."""
        media_id = MediaId(random_public_id())
        new = NewUpload(length_bytes=3, name="a.png", content_type="image/png")
        async with self.database.connection() as tx:
            assert await uploads.insert(tx, media_id, who.user, new, self._lifetime(), 99)
        return media_id

    async def end_file(self, who: Caller, media_id: MediaId) -> None:
        """The last byte is durable; nobody was told."""
        async with self.database.connection() as tx:
            upload = await uploads.begin_writing(tx, who.user, media_id)
            assert upload is not None
            assert await uploads.advance(tx, upload, 3, self._lifetime())

    def _lifetime(self) -> Lifetime:
        return Lifetime(self._clock.now(), self._clock.now() + timedelta(days=1))

    async def say(self, who: Caller, chat: int, text: str = "سلام") -> Appended:
        """Send a text."""
        return await (await self.submit(who, chat, text))


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings,
    database: Database,
    clock: Clock,
    *,
    redis_settings: RedisSettings | None = None,
    is_writing: bool = True,
) -> AsyncIterator[House]:
    """A house with its loops; without `is_writing` the test runs `house.writer.run` itself."""
    keys = Keys.from_master(settings.security.master_key)
    used = redis_settings or settings.redis
    gateway = GatewayId(secrets.token_hex(8))
    async with open_redis(used) as redis, asyncio.TaskGroup() as tasks:
        house = House(
            database,
            keys,
            clock,
            settings,
            RedisBroker(redis, used.prefix, gateway),
            SlowPace(redis, used.prefix),
        )
        loops = [house.delivery.run_here, house.positions.run, house.syncing.run, house.news.run]
        if is_writing:
            loops.append(house.writer.run)
        running = [tasks.create_task(loop()) for loop in loops]
        yield house
        for loop in running:
            loop.cancel()
