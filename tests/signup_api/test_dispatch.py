"""A code on its way: refused, unknown, silent, sent again by another road, late."""

from __future__ import annotations

import asyncio
import random
from functools import partial

import pytest

from hodhod_loadtest.carriers.smpp import Smsc, Verdict
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.line_providers import SmppSettings
from hodhod_server.sms.provider import OutcomeClass
from hodhod_server.sms.smpp import open_smpp
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.newcomers import Door, Newcomer, ask
from tests.providers import terms
from tests.scripted_provider import ScriptedProvider
from tests.signup_api.conftest import OpenDoor

REFUSALS = (OutcomeClass.PROVIDER_FAULT, OutcomeClass.THROTTLED, OutcomeClass.CONFIG)


class ProviderDefect(Exception):
    """What a provider never raises, if it keeps its contract."""


async def _kinds(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT kind, channel, outcome FROM sends ORDER BY number")
    return [tuple(row) for row in rows]


def _has_sent(provider: ScriptedProvider, count: int) -> bool:
    return len(provider.messages) >= count


def _codes(*providers: ScriptedProvider) -> list[str]:
    return [code for provider in providers for code in provider.codes]


@pytest.mark.parametrize("outcome", REFUSALS)
async def test_who_refuses_is_followed_by_another_at_once(
    open_door: OpenDoor, clock: FakeClock, outcome: OutcomeClass
) -> None:
    refusing, other = ScriptedProvider(name="one"), ScriptedProvider(name="two")
    refusing.always = outcome
    async with open_door(refusing, other) as house:
        for _ in range(6):  # whoever is asked first
            newcomer = Newcomer(house.door, clock)
            await newcomer.start_and_wait()
            assert (await newcomer.verify(other.codes[-1])).status == 200
    assert len(other.codes) == 6


async def test_where_all_refuse_the_newcomer_stays_in_the_queue_and_a_provider_that_mends_is_used(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    provider = ScriptedProvider(OutcomeClass.PROVIDER_FAULT, OutcomeClass.PROVIDER_FAULT)
    async with open_door(provider, inbound_lines=("30001",)) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start()
        await eventually(lambda: len(provider.messages) == 1)
        for _ in range(2):
            clock.advance(11)
            await asyncio.sleep(0.3)
        answer = await newcomer.wait_for("sent")
        assert (await newcomer.verify(provider.codes[-1])).status == 200
    assert answer["tries_left"] == 5
    assert len(set(provider.codes)) == 1
    assert [kind for kind, _, _ in await _kinds(database)] == ["first", "failover", "failover"]


async def test_refused_handoffs_are_not_counted_against_the_number(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider(*[OutcomeClass.PROVIDER_FAULT] * 7)
    async with open_door(provider) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start()
        for sent in range(1, 8):
            await eventually(partial(_has_sent, provider, sent))
            clock.advance(31)
        assert (await newcomer.wait_for("sent"))["state"] == "sent"


async def test_a_number_that_gets_no_texts_is_shown_another_way(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    texts = ScriptedProvider(OutcomeClass.RECIPIENT)
    calls = ScriptedProvider(name="caller", channel="voice")
    async with open_door(texts, calls, inbound_lines=("30001",)) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start()
        await eventually(lambda: len(texts.messages) == 1)
        status = await newcomer.until("next", lambda ways: "sms" not in str(ways))
        assert [way["channel"] for way in status["next"]] == ["message", "voice"]
        assert (await newcomer.send_again("voice")).status == 200
        await eventually(lambda: len(calls.messages) == 1)
        assert (await newcomer.wait_for("sent"))["channel"] == "voice"
        assert (await newcomer.verify(calls.codes[0])).status == 200
        assert len(texts.messages) == 1


async def test_a_handoff_that_may_have_been_made_counts_and_another_road_is_tried_at_once(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    one, other = ScriptedProvider(), ScriptedProvider(name="second")
    one.always = other.always = OutcomeClass.AMBIGUOUS
    async with open_door(one, other) as house:
        newcomer = Newcomer(house.door, clock)
        assert (await newcomer.start_and_wait())["state"] == "sent"
        await eventually(lambda: len(one.messages) == len(other.messages) == 1)
        assert len(set(_codes(one, other))) == 1
        assert (await newcomer.verify(one.codes[0])).status == 200


async def test_a_provider_with_a_defect_harms_nobody(open_door: OpenDoor, clock: FakeClock) -> None:
    one = ScriptedProvider(ProviderDefect())
    async with open_door(one) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        assert (await newcomer.verify(one.codes[0])).status == 200


async def test_without_a_sign_of_arrival_the_same_code_goes_another_road_after_twenty_seconds(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    one, other = ScriptedProvider(), ScriptedProvider(name="second")
    async with open_door(one, other) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        clock.advance(19)
        await asyncio.sleep(0.4)
        assert len(_codes(one, other)) == 1
        clock.advance(1)
        await eventually(lambda: len(one.messages) == len(other.messages) == 1)
        assert one.codes == other.codes
        await _told(newcomer, to_ms(clock.now()))
    assert [kind for kind, _, _ in await _kinds(database)] == ["first", "hedge"]


async def _told(newcomer: Newcomer, sent_at: int) -> None:
    await newcomer.until("sent_at", lambda told: bool(told == sent_at))


async def test_the_ladder_ends_with_the_fourth_text(open_door: OpenDoor, clock: FakeClock) -> None:
    provider = ScriptedProvider()
    async with open_door(provider) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        for sent, wait_s in ((2, 20), (3, 85), (4, 60)):
            clock.advance(wait_s)
            await eventually(partial(_has_sent, provider, sent))
            await _told(newcomer, to_ms(clock.now()))
        assert (await newcomer.status())["next"] == []
        clock.advance(200)
        await asyncio.sleep(0.4)
        assert len(provider.messages) == 4
        assert len(set(provider.codes)) == 1


@pytest.mark.parametrize("sign", ["seen", "cancel", "verify"])
async def test_a_sign_of_arrival_or_of_the_end_stops_the_ladder(
    open_door: OpenDoor, clock: FakeClock, sign: str
) -> None:
    provider = ScriptedProvider()
    async with open_door(provider) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        if sign == "verify":
            assert (await newcomer.verify(provider.codes[0])).status == 200
        else:
            assert (await newcomer.tell(sign))["next"] == []
        clock.advance(20)
        await asyncio.sleep(0.5)
        assert len(provider.messages) == 1


async def test_taps_on_send_again_send_nothing(newcomer: Newcomer, clock: FakeClock) -> None:
    first = await newcomer.start_and_wait()
    for _ in range(10):
        clock.advance(1.5)
        answer = await newcomer.send_again()
        assert (answer.status, answer["next"]) == (200, first["next"])
    assert len(await newcomer.texts()) == 1


async def test_a_call_is_made_when_it_is_asked_for_and_not_before_its_time(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    texts, calls = ScriptedProvider(), ScriptedProvider(name="caller", channel="voice")
    async with open_door(texts, calls) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        early = await newcomer.send_again("voice")
        assert (early.refusal, early["retry_after"]) == ((429, "rate_limited"), 45)
        clock.advance(45)
        assert (await newcomer.send_again("voice")).status == 200
        await eventually(lambda: len(calls.messages) == 1)
        assert calls.codes[0] == texts.codes[0]


async def test_a_way_that_there_is_not_is_refused(newcomer: Newcomer) -> None:
    await newcomer.start_and_wait()
    for way in ("voice", "message", "email"):
        assert (await newcomer.send_again(way)).refusal == (400, "malformed")


async def test_a_late_call_carries_a_new_code_and_the_old_one_still_works(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    texts, calls = ScriptedProvider(), ScriptedProvider(name="caller", channel="voice")
    async with open_door(texts, calls) as house:
        newcomer = Newcomer(house.door, clock)
        first = await newcomer.start_and_wait()
        clock.advance(490)
        assert (await newcomer.send_again("voice")).status == 200
        await eventually(lambda: len(calls.messages) == 1)
        late = await newcomer.wait_for("sent")
        old, new = texts.codes[0], calls.codes[0]
        assert old != new
        assert late["expires_at"] > first["expires_at"]
        assert (await newcomer.verify(old)).status == 200


async def test_an_unfinished_queue_is_not_lost_when_the_dispatcher_changes(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    dying, living = ScriptedProvider(), ScriptedProvider()
    dying.gate.clear()
    async with open_door(dying) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start()
        await eventually(lambda: len(dying.messages) == 1)
    async with open_door(living) as house:
        newcomer.door = house.door
        assert (await newcomer.wait_for("sent"))["state"] == "sent"
        clock.advance(5)
        await eventually(lambda: len(living.messages) == 1)
        assert dying.codes == living.codes
        assert (await newcomer.verify(living.codes[0])).status == 200


async def test_of_two_processes_one_dispatches_and_the_other_takes_over(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    one, other = ScriptedProvider(), ScriptedProvider()
    async with open_door(other) as second:
        async with open_door(one) as first:
            people = [Newcomer(first.door, clock), Newcomer(second.door, clock)]
            for newcomer in people:
                await newcomer.start_and_wait()
        assert sorted((len(one.messages), len(other.messages))) == [0, 2]
        late = Newcomer(second.door, clock)
        await late.start_and_wait()
        assert (await late.verify(other.codes[-1])).status == 200
    assert len(_codes(one, other)) == 3


async def test_only_the_process_that_dispatches_holds_a_line(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    async def ignore(_: object) -> None:
        raise AssertionError

    agreed, dice = terms("operator"), random.Random(1)
    async with Smsc.open(lambda _: Verdict()) as smsc:
        line = SmppSettings(
            name="operator",
            host="127.0.0.1",
            port=smsc.port,
            system_id="a",
            password=Secret(b"a"),
            source="9820001234",
        )
        async with (
            open_smpp(line, agreed, ignore, dice) as one,
            open_smpp(line, agreed, ignore, dice) as other,
            open_door(other) as second,
        ):
            async with open_door(one) as first:
                people = [Newcomer(first.door, clock), Newcomer(second.door, clock)]
                for newcomer in people:
                    assert (await newcomer.start_and_wait())["state"] == "sent"
                assert (len(smsc.system_ids), len(smsc.sessions)) == (1, 1)
                await _end_leadership(database)
                await eventually(lambda: len(smsc.system_ids) == 2)
                await eventually(lambda: len(smsc.sessions) == 1)
            late = Newcomer(second.door, clock)
            assert (await late.start_and_wait())["state"] == "sent"
            assert other.is_bound
        await eventually(lambda: not smsc.sessions)


async def _end_leadership(database: Database) -> None:
    """As when the network between a process and its database breaks."""
    async with database.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'hodhod-dispatcher' AND datname = current_database()"
            " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
        )


async def test_a_challenge_never_handed_over_lapses(open_door: OpenDoor, clock: FakeClock) -> None:
    provider = ScriptedProvider()
    provider.always = OutcomeClass.CONFIG
    async with open_door(provider) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start()
        await eventually(lambda: len(provider.messages) == 1)
        clock.advance(900)
        assert (await newcomer.wait_for("expired"))["next"] == []


async def test_without_the_console_sender_there_is_no_outbox(open_door: OpenDoor) -> None:
    async with open_door(ScriptedProvider()) as house:
        answer = await ask(house.door, "GET", "/dev/outbox", params={"phone": "09121112233"})
        assert answer.refusal == (404, "not_found")


async def test_a_second_send_does_not_lengthen_the_life_of_a_code(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start_and_wait()
    clock.advance(25)
    await newcomer.texts(2)
    clock.advance(574)
    assert (await newcomer.status())["state"] == "sent"
    clock.advance(1)
    assert (await newcomer.verify(await newcomer.code())).refusal == (410, "challenge_expired")


async def test_why_a_provider_was_chosen_is_kept(
    newcomer: Newcomer, database: Database, door: Door
) -> None:
    await newcomer.sign_up()
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM sends")
    assert row is not None
    assert (row["provider"], row["kind"], row["number"]) == ("console", "first", 1)
    assert '"words":' in row["reason"]
    assert newcomer.phone.removeprefix("+98") not in str(dict(row))
    for name in ("requested", "handoffs", "verified"):
        await _counted(door, f"hodhod_signup_{name}_total{{")


async def _counted(door: Door, metric: str) -> None:
    for _ in range(200):
        async with door.get("/metrics") as response:
            if metric in await response.text():
                return
        await asyncio.sleep(0.01)
    raise TimeoutError(metric)
