"""Where the owner of a number is online, their device is asked before a text is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.challenges import DEVICE
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChallengeId, GatewayId, UserId
from hodhod_server.domain.phone import Phone
from hodhod_server.services.device_first import KNOWN_MIN, DeviceFirst
from hodhod_server.settings import Settings
from hodhod_server.sms.provider import OutcomeClass
from hodhod_server.store import challenges
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.newcomers import Answer, Door, Newcomer, some_phone
from tests.returners import inside
from tests.scripted_provider import ScriptedProvider
from tests.signup_api.conftest import OpenDoor

TOLD = ("state", "version", "channel", "sent_at", "expires_at", "eta", "next", "tries_left")


class House:
    """A door whose carrier is known to work, and somebody who is signed in and online."""

    def __init__(self, door: Door, clock: FakeClock, texts: ScriptedProvider) -> None:
        self.door = door
        self.clock = clock
        self.texts = texts
        self.owner = Newcomer(door, clock)
        self.session: Answer

    def somebody(self, phone: str) -> Newcomer:
        return Newcomer(self.door, self.clock, phone)

    def codes_of(self, somebody: Newcomer) -> list[str]:
        """What was sent to a number so far."""
        return [
            message.code.digits
            for message in self.texts.messages
            if isinstance(message.to, Phone) and message.to.e164 == somebody.phone
        ]

    def texts_to(self, somebody: Newcomer) -> int:
        return len(self.codes_of(somebody))


@pytest.fixture
async def house(open_door: OpenDoor, clock: FakeClock, settings: Settings) -> AsyncIterator[House]:
    texts = ScriptedProvider()
    async with open_door(texts) as opened, open_redis(settings.redis) as redis:
        house = House(opened.door, clock, texts)
        for _ in range(KNOWN_MIN - 1):
            await house.somebody(some_phone()).start_and_wait()
        await house.owner.start_and_wait()
        house.session = await house.owner.verify(texts.codes[-1])
        routing = Routing(redis, settings.redis.prefix, GatewayId("some-gateway"))
        await routing.add([UserId(house.session["user"])])
        clock.advance(3600)
        yield house


def _told(answer: Answer, since: int) -> dict[str, Any]:
    """What anybody is told, as it would be at any other time."""
    told = {name: answer[name] for name in TOLD}
    for name in ("sent_at", "expires_at"):
        told[name] = told[name] and told[name] - since
    told["next"] = [(way["channel"], way["at"] - since) for way in told["next"]]
    return told


async def test_the_text_follows_later_and_nobody_can_tell(house: House, clock: FakeClock) -> None:
    stranger, returner = house.somebody(some_phone()), house.somebody(house.owner.phone)
    since, before = to_ms(clock.now()), house.texts_to(returner)
    seen: list[list[dict[str, Any]]] = [[], []]

    async def look(is_so: str, since_at: int = 0) -> None:
        for number, newcomer in enumerate((stranger, returner)):
            await newcomer.until(is_so, lambda at: at is not None and at >= since_at)
            seen[number].append(_told(await newcomer.status(), since))

    await stranger.start()
    await returner.start()
    await look("sent_at")
    assert (house.texts_to(stranger), house.texts_to(returner) - before) == (1, 0)
    clock.advance(10)
    await asyncio.sleep(0.3)
    await look("sent_at")
    assert house.texts_to(returner) == before
    clock.advance(11)
    await look("sent_at", since + 20_000)
    assert (house.texts_to(stranger), house.texts_to(returner) - before) == (2, 1)
    assert seen[0] == seen[1]
    assert (await returner.verify(house.codes_of(returner)[-1])).status == 200


async def test_who_is_let_in_by_a_device_needs_no_text(
    house: House, clock: FakeClock, gate: Door, database: Database
) -> None:
    returner, before = house.somebody(house.owner.phone), len(house.texts.messages)
    started = await returner.start_and_wait()
    path = f"/v1/me/sign-ins/{returner.id}/approve"
    from_owner = await house.owner.return_by_key(house.session["device"])
    approved = await inside(gate, from_owner, "POST", path, number=started["sign_in_number"])
    assert approved.status == 200, approved
    assert (await returner.verify(None))["user"] == house.session["user"]
    clock.advance(30)
    await asyncio.sleep(0.4)
    assert len(house.texts.messages) == before
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT provider, outcome, cost FROM sends WHERE challenge_id = $1", returner.id
        )
    assert [tuple(row) for row in rows] == [(DEVICE, "accepted", 0)]


async def test_who_has_no_device_at_hand_gets_the_text_at_once(house: House) -> None:
    returner = house.somebody(house.owner.phone)
    returner.extra = {"text_at_once": True}
    before = house.texts_to(returner)
    await returner.start_and_wait()
    assert house.texts_to(returner) == before + 1


async def test_while_providers_refuse_nobody_waits_for_a_device(house: House) -> None:
    house.texts.script.append(OutcomeClass.PROVIDER_FAULT)
    await house.somebody(some_phone()).start()
    await eventually(lambda: not house.texts.script)
    returner = house.somebody(house.owner.phone)
    before = house.texts_to(returner)
    await returner.start_and_wait()
    assert house.texts_to(returner) == before + 1


async def test_without_the_routing_table_nobody_is_waited_for(
    newcomer: Newcomer, database: Database
) -> None:
    class Lost:
        asked = 0

        async def online(self, users: Sequence[UserId]) -> set[UserId]:
            self.asked += 1
            raise BrokerUnavailable

    await newcomer.sign_up()
    lost = Lost()
    devices = DeviceFirst(lost, Random(1))
    for _ in range(KNOWN_MIN):
        devices.note_text(0.2, is_taken=True)
    async with database.connection() as connection:
        challenge = await challenges.load(connection, ChallengeId(newcomer.id))
        for _ in range(2):
            assert await devices.of(connection, {challenge.challenge: challenge}) == frozenset()
    assert lost.asked == 1, "it is not asked again for some seconds"
    assert devices.pause_s() == 0.2
