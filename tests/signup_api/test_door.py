"""The door through its edge: prices, the waiting room, addresses behind proxies."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import altcha
import pytest

from hodhod._door import solve
from hodhod._errors import ProofRequired
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.domain.addresses import Networks
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import GatewayId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.vouchers import WEEK_S, Voucher, find_voucher, mint_voucher, week_of
from hodhod_server.services.account_notices import NobodyHere
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.gatekeeper import Admitted, Attempt, Gatekeeper
from hodhod_server.services.newcomers import build_newcomers, lay_ground
from hodhod_server.services.returning import new_returning
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.services.waiting_room import WaitingRoom
from hodhod_server.settings import DoorSettings, Settings
from hodhod_server.signup_api.routes import add_gate, add_outbox, add_signup_api
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.store.database import Database
from hodhod_server.web.serving import new_app
from tests.clock import FakeClock
from tests.doors import SetPace
from tests.newcomers import Answer, Door, Newcomer, ask, refresh, some_phone
from tests.providers import terms
from tests.returners import inside
from tests.signup_api.conftest import running, served

CHEAP = (40, 80, 120)
DOOR = DoorSettings(
    unproven_max=3,
    proof_guesses=CHEAP,
    wrong_codes_network=2,
    ipv4_soft=4,
    trusted_proxies=("127.0.0.0/8",),
)


@pytest.fixture
def clock() -> FakeClock:
    """At the true time: the ALTCHA library asks no clock but its own."""
    return FakeClock(SystemClock().now())


@pytest.fixture
def pace() -> SetPace:
    return SetPace()


@pytest.fixture
def room(keys: Keys, pace: SetPace) -> WaitingRoom:
    return WaitingRoom(DOOR, keys.ticket, pace, Random(1))


@pytest.fixture
async def door(
    settings: Settings, clock: FakeClock, database: Database, keys: Keys, room: WaitingRoom
) -> AsyncIterator[Door]:
    """The role with a strict door, which believes this machine about addresses."""
    sessions = Sessions(database, keys, clock, settings.security, NoAnnouncer())
    consoles = {"console": ConsoleProvider(terms("console"), clock)}
    ground = lay_ground(settings, database, clock)
    gatekeeper = Gatekeeper(DOOR, keys, clock, room)
    async with open_redis(settings.redis) as redis:
        broker = RedisBroker(redis, settings.redis.prefix, GatewayId("test"))
        delivery = Delivery(broker, NobodyHere())
        returning = new_returning(database, keys, clock, settings.returning, sessions, delivery)
        newcomers = build_newcomers(settings, ground, returning.entrance, consoles)
        newcomers.proving.when_proved(gatekeeper.note_verified)
        application = new_app()
        add_signup_api(application, newcomers.signup, newcomers.proving, returning)
        add_gate(application, gatekeeper, Networks(DOOR.trusted_proxies))
        add_outbox(application, consoles)
        async with running(newcomers.loops), served(application) as opened:
            yield opened


async def _start(somebody: Newcomer, *, address: str = "", **papers: Any) -> Answer:
    body = {"phone": somebody.phone, "device": somebody.device, **papers}
    headers = {"X-Forwarded-For": address} if address else {}
    answer = await ask(somebody.door, "POST", "/v1/signup", json=body, headers=headers)
    if answer.status == 201:
        somebody.id, somebody.secret = answer["id"], answer["secret"]
    return answer


async def _solve(answer: Answer) -> str:
    asked = ProofRequired("proof_of_work_required")
    asked.puzzle = answer["challenge"]
    return await solve(asked)


async def _priced(door: Door, clock: FakeClock) -> tuple[Newcomer, Answer]:
    """Somebody who comes after too many have not answered."""
    for _ in range(3):
        assert (await _start(Newcomer(door, clock))).status == 201
    late = Newcomer(door, clock)
    answer = await _start(late)
    assert answer.refusal == (402, "proof_of_work_required")
    return late, answer


async def test_when_too_many_texts_are_unanswered_the_next_has_a_price_that_can_be_paid(
    door: Door, clock: FakeClock
) -> None:
    late, asked = await _priced(door, clock)
    assert await late.texts() == []
    answer = await _start(late, proof=await _solve(asked))
    assert answer.status == 201
    assert len(await late.texts(1)) == 1


async def test_the_reference_solver_of_altcha_finds_what_ours_finds(
    door: Door, clock: FakeClock
) -> None:
    late, asked = await _priced(door, clock)
    challenge = altcha.Challenge.from_dict(asked["challenge"])
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    ours = json.loads(base64.b64decode(await _solve(asked)))["solution"]
    assert ours == {"counter": solution.counter, "derivedKey": solution.derived_key}
    proof = altcha.Payload(challenge, solution).to_base64()
    assert (await _start(late, proof=proof)).status == 201


async def test_a_code_that_was_entered_lowers_the_price_for_all(
    door: Door, clock: FakeClock
) -> None:
    people = [Newcomer(door, clock) for _ in range(3)]
    for person in people:
        await _start(person)
    assert (await people[0].verify(await people[0].code())).status == 200
    assert (await _start(Newcomer(door, clock))).status == 201


async def test_a_proof_is_good_once_for_one_number_and_for_two_minutes(
    door: Door, clock: FakeClock
) -> None:
    late, asked = await _priced(door, clock)
    proof = await _solve(asked)
    thief = Newcomer(door, clock)
    assert (await _start(thief, proof=proof)).status == 402
    assert (await _start(late, proof=proof)).status == 201
    late.key = Newcomer(door, clock).key  # another device, so that it is a start again
    assert (await _start(late, proof=proof)).status == 402
    other, asked = late, await _start(late)
    proof = await _solve(asked)
    clock.advance(121)
    assert (await _start(other, proof=proof)).status == 402


@pytest.mark.parametrize(
    "forged",
    ["", "x", "e30=", base64.b64encode(b"[" * 2000).decode(), "A" * 3000, "\u06f1"],
    ids=["empty", "no base64", "empty object", "deep", "long", "not ascii"],
)
async def test_what_is_no_proof_pays_nothing(door: Door, clock: FakeClock, forged: str) -> None:
    late, _ = await _priced(door, clock)
    assert (await _start(late, proof=forged)).status == 402


async def test_a_proof_whose_price_was_lowered_by_its_holder_pays_nothing(
    door: Door, clock: FakeClock
) -> None:
    late, asked = await _priced(door, clock)
    told = json.loads(base64.b64decode(await _solve(asked)))
    told["challenge"]["parameters"]["data"]["level"] = 3
    proof = base64.b64encode(json.dumps(told).encode()).decode()
    assert (await _start(late, proof=proof)).status == 402


async def test_in_a_surge_newcomers_get_a_ticket_and_no_text_until_their_turn(
    door: Door, clock: FakeClock, room: WaitingRoom, pace: SetPace
) -> None:
    pace.now_waits_s, pace.per_s = 10.0, 5.0
    room.tick(clock.now().timestamp())
    somebody = Newcomer(door, clock)
    proof = await _solve(await _start(somebody))
    told = await _start(somebody, proof=proof)
    assert (told.status, told["state"]) == (202, "waiting")
    assert 0 < told["eta"]["p50"] <= told["eta"]["p90"]
    assert await somebody.texts() == []
    early = await _start(somebody, ticket=told["ticket"])
    assert early.refusal == (429, "rate_limited")
    clock.advance(early["retry_after"] + 1)
    for _ in range(8):
        room.tick(clock.now().timestamp())
        clock.advance(0.25)
    assert (await _start(somebody, ticket=told["ticket"])).status == 201
    assert len(await somebody.texts(1)) == 1


async def test_a_ticket_of_another_number_or_device_is_refused(
    door: Door, clock: FakeClock, room: WaitingRoom, pace: SetPace
) -> None:
    pace.now_waits_s = 10.0
    room.tick(clock.now().timestamp())
    somebody = Newcomer(door, clock)
    told = await _start(somebody, proof=await _solve(await _start(somebody)))
    thief = Newcomer(door, clock, somebody.phone)
    assert (await _start(thief, ticket=told["ticket"])).refusal == (410, "ticket_invalid")
    thief = Newcomer(door, clock)
    assert (await _start(thief, ticket=told["ticket"])).refusal == (410, "ticket_invalid")


async def test_an_invited_person_waits_in_the_shorter_lane(
    door: Door, clock: FakeClock, room: WaitingRoom, pace: SetPace, keys: Keys
) -> None:
    pace.now_waits_s, pace.per_s = 10.0, 5.0
    now_s = clock.now().timestamp()
    room.tick(now_s)
    for number in range(500):
        room.join(number.to_bytes(12), now_s, is_invited=False)
    invite = mint_voucher(keys.ticket, Voucher(UserId(1), week_of(now_s), 3))
    too_many = mint_voucher(keys.ticket, Voucher(UserId(1), week_of(now_s), 10))

    async def position(invite: str) -> int:
        somebody = Newcomer(door, clock)
        proof = await _solve(await _start(somebody))
        return int((await _start(somebody, proof=proof, invite=invite))["position"])

    assert await position(invite) <= 1
    assert await position(invite) >= 500  # used up by the first
    assert await position(too_many) >= 500


async def test_an_account_of_some_age_has_so_many_vouchers_a_week(
    newcomer: Newcomer, gate: Door, door: Door, clock: FakeClock, keys: Keys
) -> None:
    newcomer.door = door
    session = await newcomer.sign_up()

    async def mint() -> Answer:
        return await inside(gate, session, "POST", "/v1/me/vouchers")

    young = await mint()
    assert (young.status, young["retry_after"]) == (429, 86_400)
    begins = (week_of(clock.now().timestamp()) + 1) * WEEK_S
    clock.advance(begins - clock.now().timestamp() + 86_400)
    session = await refresh(door, session["refresh_token"])
    given = []
    for _ in range(10):
        given.append(await mint())
        clock.advance(8_000)
        session = await refresh(door, session["refresh_token"])
    now_s = clock.now().timestamp()
    found = [find_voucher(keys.ticket, one["voucher"], now_s) for one in given]
    assert found == [Voucher(session["user"], week_of(now_s), serial) for serial in range(10)]
    assert {one["expires_at"] for one in given} == {(begins + 2 * WEEK_S) * 1000}
    spent = await mint()
    assert (spent.status, spent["retry_after"]) == (429, begins + WEEK_S - now_s)
    clock.advance(spent["retry_after"])
    session = await refresh(door, session["refresh_token"])
    assert (await mint()).status == 201


async def test_addresses_are_taken_from_our_proxies_and_from_nobody_else(
    door: Door, clock: FakeClock
) -> None:
    """Five starts at one address cost something; what a client claims before it counts nothing."""
    for number in range(4):
        person = Newcomer(door, clock)
        answer = await _start(person, address=f"9.9.9.{number}, 5.6.7.8, 127.0.0.1")
        assert answer.status == 201
        await person.verify(await person.wrong_code())
        if number < 2:
            assert (await person.verify(await person.code())).status == 200
    fifth = await _start(Newcomer(door, clock), address="5.6.7.8")
    assert fifth.status == 402


async def test_where_many_wrong_codes_come_from_one_more_try_has_a_price(
    door: Door, clock: FakeClock
) -> None:
    one = Newcomer(door, clock)
    await _start(one)
    headers = {"X-Forwarded-For": "5.6.7.8"}
    body: dict[str, Any] = {"secret": one.secret, "name": "سارا"}

    async def verify(code: str, **more: Any) -> Answer:
        path = f"/v1/signup/{one.id}/verify"
        told = {**body, "code": code, **more}
        return await ask(door, "POST", path, json=told, headers=headers)

    wrong = await one.wrong_code()
    for _ in range(2):
        assert (await verify(wrong)).status == 403
    clock.advance(5)  # the time between two tries
    asked = await verify(await one.code())
    assert asked.refusal == (402, "proof_of_work_required")
    assert (await verify(await one.code(), proof=await _solve(asked))).status == 200


async def test_a_country_that_is_not_served_is_told_so(door: Door, clock: FakeClock) -> None:
    answer = await _start(Newcomer(door, clock, "+4915112345678"))
    assert answer.refusal == (403, "country_not_served")


async def test_a_spent_budget_leaves_only_texts_to_us(
    settings: Settings, clock: FakeClock, keys: Keys, room: WaitingRoom
) -> None:

    gatekeeper = Gatekeeper(DoorSettings(budget_per_day=100), keys, clock, room)
    gatekeeper.note_send(99)
    before = await gatekeeper.admit(Attempt(phone=Phone(some_phone())))
    gatekeeper.note_send(1)
    after = await gatekeeper.admit(Attempt(phone=Phone(some_phone())))
    assert isinstance(before, Admitted)
    assert isinstance(after, Admitted)
    assert (before.is_inbound_only, after.is_inbound_only) == (False, True)
    clock.advance(86_400)
    morrow = await gatekeeper.admit(Attempt(phone=Phone(some_phone())))
    assert isinstance(morrow, Admitted)
    assert not morrow.is_inbound_only


async def test_who_is_too_slow_for_the_price_is_told_and_the_search_ends() -> None:
    asked = ProofRequired("proof_of_work_required")
    with pytest.raises(ProofRequired):
        await solve(asked)
    asked.puzzle = {"parameters": {"algorithm": "ARGON2ID"}}
    with pytest.raises(ProofRequired):
        async with asyncio.timeout(5):
            await solve(asked)
