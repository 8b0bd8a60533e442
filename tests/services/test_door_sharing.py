"""Several sign-up processes over a real Valkey: sums, restarts, one line for all, and its loss."""

from __future__ import annotations

import dataclasses
from random import Random

import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.door_board import DoorBoard
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.domain.addresses import parse_address
from hodhod_server.domain.errors import RateLimited
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import Phone
from hodhod_server.services.door_sharing import DoorSharing
from hodhod_server.services.gatekeeper import Admitted, Attempt, Gatekeeper
from hodhod_server.services.waiting_room import WaitingRoom
from hodhod_server.settings import DoorSettings, RedisSettings, Settings
from tests.clock import FakeClock
from tests.doors import SetPace
from tests.newcomers import some_phone

ADDRESS = "5.6.7.8"


class Process:
    """The door of one process."""

    def __init__(self, redis: Redis, settings: Settings, clock: FakeClock, name: str) -> None:
        own, keys = (
            dataclasses.replace(
                settings.door, unproven_max=10_000, neighbourhood_soft=10_000, block_soft=10_000
            ),
            Keys.from_master(settings.security.master_key),
        )
        self.pace = SetPace()
        self.room = WaitingRoom(own, keys.ticket, self.pace, Random(1))
        self.gatekeeper = Gatekeeper(own, keys, clock, self.room)
        board = DoorBoard(redis, settings.redis.prefix, name)
        self.sharing = DoorSharing(self.gatekeeper, self.room, self.pace, board, clock)
        self.clock = clock

    async def start(self, phone: str = "", device: bytes | None = None) -> object:
        attempt = Attempt(
            phone=Phone(phone or some_phone()), device_key=device, address=parse_address(ADDRESS)
        )
        return await self.gatekeeper.admit(attempt)

    @property
    def starts_seen(self) -> float:
        now_s = self.clock.now().timestamp()
        source = self.gatekeeper.limits.source(Phone(some_phone()), None, parse_address(ADDRESS))
        assert source.place is not None
        return self.gatekeeper.limits._customers.estimate(source.place.customer, now_s)


async def test_processes_add_up_what_they_have_counted_once(
    settings: Settings, clock: FakeClock
) -> None:
    async with open_redis(settings.redis) as redis:
        one, other = (Process(redis, settings, clock, name) for name in ("one", "other"))
        for _ in range(8):
            await one.start()
        for _ in range(3):
            await one.sharing.share_counts()
            await other.sharing.share_counts()
        assert (one.starts_seen, other.starts_seen) == (8, 8)


async def test_a_restarted_process_remembers_a_bombed_number_and_the_money(
    settings: Settings, clock: FakeClock
) -> None:
    victim = some_phone()
    async with open_redis(settings.redis) as redis:
        one = Process(redis, settings, clock, "one")
        source = one.gatekeeper.limits.source(Phone(victim), None, None)
        for device in range(5):
            own = msgspec.structs.replace(source, pair=device)
            one.gatekeeper.limits.note_start(own, clock.now().timestamp(), gets_text=True)
        one.gatekeeper.note_send(70)
        await one.sharing.share_counts()
        successor = Process(redis, settings, clock, "one")
        await successor.sharing.recall()
        with pytest.raises(RateLimited):
            await successor.start(victim, b"d" * 32)
        assert successor.gatekeeper.budget.spent(clock.now().timestamp()) == 70


async def test_the_money_is_shown_to_who_is_alerted_and_a_new_day_begins_with_none(
    settings: Settings, clock: FakeClock
) -> None:
    def shown() -> tuple[float | None, float | None]:
        names = ("hodhod_door_spent_today", "hodhod_door_budget_per_day")
        spent, budget = (REGISTRY.get_sample_value(name) for name in names)
        return spent, budget

    costly = settings.model_copy(update={"door": DoorSettings(budget_per_day=100)})
    async with open_redis(settings.redis) as redis:
        one, other = (Process(redis, costly, clock, name) for name in ("one", "other"))
        one.gatekeeper.note_send(85)
        await one.sharing.share_counts()
        await other.sharing.share_counts()
        for process in (one, other):
            process.sharing.tick()
            assert shown() == (85, 100)
        clock.advance(86_400)
        other.sharing.tick()
        assert shown() == (0, 100)


async def test_what_is_shared_holds_no_number_and_no_address(
    settings: Settings, clock: FakeClock
) -> None:
    phone = some_phone()
    async with open_redis(settings.redis) as redis:
        one = Process(redis, settings, clock, "one")
        for number in range(15):
            await one.gatekeeper.admit(
                Attempt(phone=Phone(phone), device_key=None, address=parse_address(ADDRESS))
            )
            clock.advance(number)
        await one.sharing.share_counts()
        stored = await redis.get(f"{settings.redis.prefix}:door:counts:one")
        assert isinstance(stored, bytes)
        for secret in (phone.encode(), phone[3:].encode(), ADDRESS.encode(), phone[:-4].encode()):
            assert secret not in stored


async def test_a_place_taken_at_one_process_is_good_at_another_in_the_same_line(
    settings: Settings, clock: FakeClock
) -> None:
    async with open_redis(settings.redis) as redis:
        one, other = (Process(redis, settings, clock, name) for name in ("one", "other"))
        other.pace.leads = False
        one.pace.now_waits_s, one.pace.per_s = 10.0, 10.0
        one.sharing.tick()
        for process in (one, other):
            await process.sharing.share_room()
        assert other.room.is_open
        now_s = clock.now().timestamp()
        for number in range(100):
            (one if number % 2 else other).room.join(b"x", now_s, is_invited=False)
        await other.sharing.share_room()
        await one.sharing.share_room()
        clock.advance(1)
        mine = one.room.join(b"me", now_s + 1, is_invited=False)
        assert mine is not None
        assert mine.position == 101
        for _ in range(200):
            clock.advance(0.25)
            one.sharing.tick()
            await one.sharing.share_room()
        await other.sharing.share_room()
        assert other.room.come_back(mine.ticket, b"me", clock.now().timestamp()) is None


async def test_without_the_store_starts_go_on_and_nothing_is_lost_from_the_line(
    settings: Settings, clock: FakeClock
) -> None:
    nowhere = RedisSettings(url="redis://127.0.0.1:1/0", prefix="x")
    async with open_redis(nowhere) as redis:
        one = Process(redis, settings, clock, "one")
        with pytest.raises(BrokerUnavailable):
            await one.sharing.share_counts()
        assert isinstance(await one.start(), Admitted)
        one.pace.now_waits_s = 10.0
        one.sharing.tick()
        one.room.join(b"me", clock.now().timestamp(), is_invited=False)
        with pytest.raises(BrokerUnavailable):
            await one.sharing.share_room()
        assert sum(one.room.lanes[0].take_untold().values()) == 1
