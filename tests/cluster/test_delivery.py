"""Fan-out: people here do not wait for the bus, and who could not be reached is told to sync."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hodhod_server.cluster.broker import BrokerUnavailable, Envelope
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.services import delivery as module
from hodhod_server.services.delivery import Delivery
from tests.cluster.cable import Cable
from tests.cluster.conftest import Listener, at_work
from tests.eventually import eventually

HERE = GatewayId("here")


class Bus:
    """A bus that can be told to fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.delivered: list[Envelope] = []
        self.gaps: list[list[UserId]] = []
        self.gaps_in: list[list[ChatId]] = []

    async def deliver(self, envelopes: Sequence[Envelope]) -> None:
        self._require()
        self.delivered += envelopes

    async def announce_gap(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        self._require()
        self.gaps.append(sorted(users))
        self.gaps_in.append(sorted(chats))

    async def announce_end(self, device: DeviceId) -> None:
        raise AssertionError

    async def announce_chat_changed(
        self, chat: ChatId, version: int, users: Sequence[UserId]
    ) -> None:
        raise AssertionError

    def _require(self) -> None:
        if self.is_away:
            raise BrokerUnavailable


def envelope(number: int) -> Envelope:
    return Envelope((UserId(number),), b"x")


async def test_people_here_do_not_wait_for_a_bus_that_does_not_answer(cable: Cable) -> None:
    local = Listener()
    async with open_redis(cable.settings) as client:
        delivery = Delivery(RedisBroker(client, cable.settings.prefix, HERE), local)
        async with at_work(delivery.run_here, delivery.run_elsewhere):
            cable.freeze()
            for number in range(1, 6):
                delivery.enqueue([envelope(number)])
                await asyncio.sleep(0.01)
            assert local.envelopes == [envelope(number) for number in range(1, 6)]


async def test_whoever_could_not_be_reached_is_told_when_the_bus_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    bus = Bus()
    delivery = Delivery(bus, Listener())
    async with at_work(delivery.run_elsewhere, delivery.run_gaps):
        bus.is_away = True
        delivery.enqueue([envelope(1), envelope(2), envelope(3)])
        await asyncio.sleep(0.1)
        bus.is_away = False
        await eventually(lambda: bool(bus.gaps))
        delivery.enqueue([envelope(1)])
        await eventually(lambda: bool(bus.delivered))
    assert bus.gaps == [[1, 2, 3]]
    assert bus.delivered == [envelope(1)]


async def test_too_many_to_name_means_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "QUEUE_MAX", 3)
    monkeypatch.setattr(module, "UNTOLD_MAX", 5)
    bus, local = Bus(), Listener()
    delivery = Delivery(bus, local)
    delivery.enqueue(envelope(number) for number in range(1, 6))
    async with at_work(delivery.run_here, delivery.run_gaps):
        await eventually(lambda: bool(bus.gaps))
        delivery.enqueue(envelope(number) for number in range(1, 11))
        await eventually(lambda: len(bus.gaps) == 2)
        await asyncio.sleep(0.05)
    assert bus.gaps == [[4, 5], []]
    assert len(local.envelopes) == 15


async def test_what_is_broadcast_names_nobody_neither_when_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    bus, local, post = Bus(), Listener(), Envelope((), b"x", 0, 7)
    delivery = Delivery(bus, local)
    async with at_work(delivery.run_here, delivery.run_elsewhere, delivery.run_gaps):
        delivery.enqueue([post])
        await eventually(lambda: bus.delivered == [post])
        bus.is_away = True
        delivery.enqueue([post])
        await asyncio.sleep(0.05)
        bus.is_away = False
        await eventually(lambda: bool(bus.gaps))
    assert (bus.gaps, bus.gaps_in) == ([[]], [[ChatId(7)]])
    assert (local.envelopes, bus.delivered) == ([post, post], [post])
