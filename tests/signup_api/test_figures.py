"""What operators see of codes in the metrics: counted once, for the right provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random

from prometheus_client import REGISTRY

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules, SendKind
from hodhod_server.services.dispatch_figures import Figures
from hodhod_server.services.signup import rules_of
from hodhod_server.services.stories import Stories, What
from hodhod_server.settings import SignupSettings
from hodhod_server.sms.dispatch_queue import Wanted
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass
from hodhod_server.sms.router import Router
from hodhod_server.sms.router_rules import RouterRules
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.newcomers import Newcomer
from tests.providers import terms
from tests.scripted_provider import ScriptedProvider
from tests.signup_api.conftest import OpenDoor


def _sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"hodhod_signup_{name}", labels) or 0.0


def _grown(name: str, **labels: str) -> Callable[[], float]:
    """How much a counter has grown since."""
    before = _sample(name, **labels)
    return lambda: _sample(name, **labels) - before


async def test_a_code_that_was_seen_and_then_typed_is_counted_through_the_whole_funnel(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    provider = ScriptedProvider(name="tallied")
    provider.terms = terms("tallied", cost=120)
    of = {"provider": "tallied", "operator": "mci"}
    handed = _grown("handoffs_total", kind="first", outcome="accepted", **of)
    requested = _grown("requested_total", operator="mci")
    seen, verified = _grown("seen_total", **of), _grown("verified_total", **of)
    cost = _grown("cost_total", **of)
    typed_s = _grown("verified_seconds_sum", provider="tallied")
    async with open_door(provider) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        clock.advance(6)
        assert (await newcomer.tell("seen")).status == 200
        await eventually(lambda: seen() == 1)
        clock.advance(2)
        assert (await newcomer.verify(provider.codes[-1], name=None)).status != 200
        assert (await newcomer.verify(provider.codes[-1])).status == 200
        await eventually(lambda: verified() == 1)
        await newcomer.verify(provider.codes[-1])
        assert _sample("dispatching") == 1.0
        assert _sample("provider_health", provider="tallied", health="ok") == 1.0
    assert (requested(), handed(), seen(), verified(), cost()) == (1, 1, 1, 1, 120)
    assert typed_s() == 8.0
    assert _sample("dispatching") == 0.0
    assert (
        REGISTRY.get_sample_value(
            "hodhod_signup_provider_health", {"provider": "tallied", "health": "ok"}
        )
        is None
    )
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT cost FROM sends") == 120


async def test_a_sign_up_is_told_as_the_dispatcher_wrote_it_down(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    refusing, other = ScriptedProvider(OutcomeClass.PROVIDER_FAULT), ScriptedProvider(name="second")
    stories = Stories(database, clock, rules_of(SignupSettings()), LadderRules())
    async with open_door(refusing, other) as house:
        newcomer = Newcomer(house.door, clock)
        await newcomer.start_and_wait()
        clock.advance(1)
        waiting = await stories.tell(ChallengeId(newcomer.id))
        while waiting.next is None:  # the dispatcher tells each second
            await asyncio.sleep(0.05)
            waiting = await stories.tell(ChallengeId(newcomer.id))
        codes = [*refusing.codes, *other.codes]
        assert (await newcomer.verify(codes[-1])).status == 200
        told = await stories.tell(ChallengeId(newcomer.id))
    assert (waiting.state, waiting.is_dispatched, waiting.next.kind) == ("sent", True, "hedge")
    assert (told.state, told.next) == ("verified", None)
    assert [str(item.what) for item in told.happenings[-2:]] == ["accepted", "signed_in"]
    assert told.happenings[-1].is_new
    handed = [item for item in told.happenings if item.what is What.HANDED_OVER]
    assert {item.provider for item in handed} <= {"first", "second"}
    for item in handed:
        assert item.why is not None
        assert {weighed.provider for weighed in item.why.candidates} == {"first", "second"}
    said = repr(told)
    assert newcomer.phone[-7:] not in said
    assert codes[-1] not in said


def test_a_breaker_that_opens_is_an_event_and_a_state() -> None:
    agreed = [terms("broken"), terms("whole")]
    router = Router(agreed, RouterRules(), Random(1))
    figures = Figures(agreed, timedelta(seconds=60))
    opened = _grown("breaker_events_total", provider="broken", health="dead", cause="config")
    figures.show(router, 0)
    for number in range(200):
        router.offer(Wanted(key=str(number), channel=Channel.SMS, kind=SendKind.FIRST), number / 10)
        for _, choice in router.next(number / 10):
            is_broken = choice.provider == "broken"
            kind = OutcomeClass.CONFIG if is_broken else OutcomeClass.ACCEPTED
            router.note_outcome(choice.send, Outcome(kind=kind), number / 10)
    assert opened() == 0
    figures.show(router, 3)
    figures.show(router, 3)
    assert opened() == 1
    assert _sample("provider_health", provider="broken", health="dead") == 1.0
    assert _sample("provider_health", provider="whole", health="dead") == 0.0
    assert _sample("orders") == 3
    figures.clear()
