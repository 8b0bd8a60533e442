"""A gateway process: the real parts, put together as `hodhod_server.app` does, on simulated stores.

What is not here is what is not simulated: HTTP, sign-up, media.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from hodhod_server.app import note_change, note_gap
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.rate_limit import SlowPace
from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.errors import Unauthenticated
from hodhod_server.domain.ids import DeviceId, GatewayId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway.commands import Commands
from hodhod_server.gateway.connection import Connection
from hodhod_server.gateway.doors import Doors
from hodhod_server.gateway.errands import Errands
from hodhod_server.gateway.house import House
from hodhod_server.services.accounts import Accounts
from hodhod_server.services.admission import Admission
from hodhod_server.services.audiences import Audiences
from hodhod_server.services.chat_changes import ChatChanges
from hodhod_server.services.chats import Chats
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.file_links import FileLinks
from hodhod_server.services.groups import Groups
from hodhod_server.services.inside import Inside
from hodhod_server.services.invites import Invites
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Announcer, Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.posting import Posting
from hodhod_server.services.returning import new_returning
from hodhod_server.services.rights import Rights
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.views import Views
from hodhod_server.services.vouchers import Vouchers
from hodhod_server.settings import (
    DoorSettings,
    GatewaySettings,
    GroupCommitSettings,
    ReturningSettings,
    SecuritySettings,
)
from hodhod_server.store.group_commit import GroupCommit
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import Send
from tests.load import Told
from tests.simulation.network import Cable, GatewayEnd
from tests.simulation.postgres import Postgres
from tests.simulation.processes import Process
from tests.simulation.redis import MemoryRedis, RedisServer
from tests.simulation.sabotage import Sabotage

KEYS: Final = Keys.from_master(Secret(bytes(32)))
RETURNING: Final = ReturningSettings()
SETTINGS: Final = GatewaySettings(send_queue_bytes_max=65_536)
GROUP_COMMIT: Final = GroupCommitSettings()
SECURITY: Final = SecuritySettings()
POOL: Final = 4
BEGINNING: Final = datetime(2026, 3, 21, 12, 0, tzinfo=UTC)
SERVES_OUT_S: Final = 3.0

NoteRefused = Callable[[Caller, Send], None]


class LoopClock:
    """Wall time that follows the loop's."""

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())


class PlainTokens:
    """`user.device` proves who asks: proofs are not what is simulated."""

    def authenticate(self, token: str) -> Caller:
        user, dot, device = token.partition(".")
        if not dot:
            raise Unauthenticated
        return Caller(UserId(int(user)), DeviceId(int(device)))

    def has_ended(self, device: DeviceId) -> bool:
        return False


class ObservedCommands(Commands):
    """Tells which messages the server refused: those may lose their place, says the contract."""

    def __init__(self, services: Inside, admission: Admission, note_refused: NoteRefused) -> None:
        super().__init__(services, admission)
        self._note_refused = note_refused

    async def send(self, caller: Caller, frame: Send, origin: int) -> asyncio.Future[Appended]:
        try:
            done = await super().send(caller, frame, origin)
        except Exception:
            self._note_refused(caller, frame)
            raise
        done.add_done_callback(partial(self._done, caller, frame))
        return done

    def _done(self, caller: Caller, frame: Send, done: asyncio.Future[Appended]) -> None:
        if not done.cancelled() and done.exception() is not None:
            self._note_refused(caller, frame)


def _writer(
    postgres: Postgres, clock: LoopClock, announcer: Announcer, posting: Posting
) -> GroupCommit:
    """As `app.gateways` makes it, on one connection."""
    told = announcer.announce, posting.recheck, announcer.doubt
    return GroupCommit(postgres.pool(1), GROUP_COMMIT, clock, *told)


class Gateway:
    """One life of one gateway: a new one is made for each start."""

    def __init__(
        self,
        process: Process,
        postgres: Postgres,
        redis: RedisServer,
        dice: random.Random,
        note_refused: NoteRefused,
        sabotage: Sabotage,
    ) -> None:
        self.process: Final = process
        self.redis: Final[MemoryRedis] = redis.client(process)
        self.cables: Final[list[Cable]] = []
        clock = LoopClock()
        database, name = postgres.pool(POOL), GatewayId(process.name)
        broker = RedisBroker(self.redis.as_redis, "sim", name, dice)
        sessions = Sessions(database, KEYS, clock, SECURITY, broker)
        self._register = sabotage.register(self.redis.as_redis, "sim", name, broker)
        hub = sabotage.hub(sessions.note_ended)
        routing = sabotage.routing(self.redis.as_redis, "sim", name)
        self._routes = routes = RouteKeeper(routing, hub.on_gap)
        broker.on_return(routes.rewrite)
        rights, audiences = Rights(database), Audiences(database, hub)
        hub.when_chats_change(
            partial(note_change, rights, audiences), partial(note_gap, rights, audiences)
        )
        self._delivery = delivery = Delivery(sabotage.broker(broker), hub)
        posting = Posting(rights, SlowPace(self.redis.as_redis, "sim"), clock)
        announcer = Announcer(delivery)
        self._writer = writer = _writer(postgres, clock, announcer, posting)
        changes = ChatChanges(database, rights, delivery, announcer, broker, clock)
        load = Told()
        inside = Inside(
            returning=new_returning(database, KEYS, clock, RETURNING, sessions, delivery),
            accounts=Accounts(database, KEYS),
            sessions=sessions,
            messaging=Messaging(database, posting, writer),
            chats=Chats(database, KEYS, clock),
            syncing=Syncing(database, rights),
            positions=PositionKeeper(database, rights, delivery, load),
            typing=TypingHints(rights, delivery, load),
            groups=Groups(changes),
            membership=Membership(database, rights, changes, clock),
            invites=Invites(database, rights, changes, clock),
            views=Views(database, rights),
            vouchers=Vouchers(database, KEYS, clock, DoorSettings()),
            file_links=FileLinks(database, rights, MediaLinks(KEYS.media_link, clock, link_s=60)),
        )
        admission = Admission(load, SETTINGS, database.is_slow)
        doors = Doors(PlainTokens(), hub, routes, audiences, admission)
        commands = ObservedCommands(inside, admission, note_refused)
        self._house = House(doors, commands, Errands(), SETTINGS, clock)
        self._loops: Sequence[Callable[[], Awaitable[None]]] = (
            *(self._house.errands.run, writer.run),
            *(hub.run, audiences.run, routes.run),
            *(delivery.run_here, delivery.run_elsewhere, delivery.run_gaps),
            *(inside.syncing.run, inside.positions.run),
            partial(broker.run, hub),
            self._register.run,
        )

    def start(self) -> None:
        """Every loop of the process, as `app` starts them."""
        self.process.start(self._run())

    def accept(self, cable: Cable, token: str) -> None:
        """A connection was made to this gateway."""
        self.cables[:] = [one for one in self.cables if not one.is_over]
        self.cables.append(cable)
        self.process.start(self._serve(cable, token))

    def kill(self, *, is_silent: bool) -> None:
        """At once. Connections are reset, or fall silent where the whole machine is gone."""
        self.process.kill()
        for cable in self.cables:
            if is_silent:
                cable.stall(None)
            else:
                cable.cut()

    async def stop(self) -> None:
        """As on SIGTERM: everybody is sent away, routes are withdrawn, its entry is struck off."""
        self._house.doors.close(CloseCode.GOING_AWAY)
        await self._routes.withdraw()
        await asyncio.sleep(SERVES_OUT_S)
        await self._register.leave(self._writer.is_idle, self._delivery.is_idle)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self._loops:
                tasks.create_task(_forever(loop))

    async def _serve(self, cable: Cable, token: str) -> None:
        end = GatewayEnd(cable, SETTINGS.send_queue_bytes_max)
        doors = self._house.doors
        connection = Connection(end, MSGPACK, self._house, doors.authenticate(token))
        connection.begin()
        try:
            while (message := await end.receive()) is not None:
                connection.take(message)
        finally:
            connection.lost()
            if self.process.is_alive:
                cable.up.finish(None)
                cable.down.end(None)


async def _forever(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()
