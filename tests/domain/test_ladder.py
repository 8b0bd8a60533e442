"""What is tried next, when, and what the newcomer is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.ladder import (
    Fate,
    Handoff,
    LadderRules,
    Option,
    Progress,
    SendKind,
    Step,
    Way,
    Ways,
    next_step,
    options,
)

RULES = LadderRules()
ALL = Ways(sms_domains=3, voice_domains=1, takes_messages=True)


def text(at_s: float, fate: Fate = Fate.TAKEN) -> Handoff:
    return Handoff(at_s=at_s, fate=fate)


def call(at_s: float, fate: Fate = Fate.TAKEN) -> Handoff:
    return Handoff(at_s=at_s, way=Way.VOICE, fate=fate)


def after(*handoffs: Handoff, voice_asked_at_s: float | None = None) -> Progress:
    return Progress(started_at_s=0.0, handoffs=handoffs, voice_asked_at_s=voice_asked_at_s)


def test_the_first_text_is_due_when_the_challenge_begins() -> None:
    assert next_step(after(), ALL, RULES) == Step(SendKind.FIRST, Way.SMS, 0.0)


def test_texts_follow_at_20_105_and_165_seconds_after_the_first_was_handed_over() -> None:
    sent = [text(7.0)]
    planned = []
    while (step := next_step(after(*sent), ALL, RULES)) is not None:
        planned.append(step)
        sent.append(text(step.at_s))
    assert planned == [
        Step(SendKind.HEDGE, Way.SMS, 27.0),
        Step(SendKind.LATE, Way.SMS, 112.0),
        Step(SendKind.LATE, Way.SMS, 172.0),
    ]


def test_a_refused_text_goes_out_at_once_by_another_provider_and_does_not_count() -> None:
    for fate in (Fate.REFUSED, Fate.DOUBTFUL):
        step = next_step(after(text(3.0, fate)), ALL, RULES)
        assert step == Step(SendKind.FAILOVER, Way.SMS, 3.0)
    step = next_step(after(text(3.0, Fate.REFUSED), text(4.0)), ALL, RULES)
    assert step == Step(SendKind.HEDGE, Way.SMS, 24.0)


def test_when_every_road_has_refused_the_pauses_grow() -> None:
    refused = [text(0.0, Fate.REFUSED)] * 3
    at_s = []
    for _ in range(5):
        step = next_step(after(*refused), ALL, RULES)
        assert step is not None
        at_s.append(step.at_s)
        refused.append(text(0.0, Fate.REFUSED))
    assert at_s == [5.0, 10.0, 20.0, 30.0, 30.0]


def test_a_hedge_that_was_put_off_keeps_its_distance_to_the_next_text() -> None:
    step = next_step(after(text(0.0), text(100.0)), ALL, RULES)
    assert step == Step(SendKind.LATE, Way.SMS, 120.0)


def test_a_call_is_made_only_when_asked_for_and_not_before_its_time() -> None:
    assert next_step(after(text(0.0), text(20.0)), ALL, RULES) == Step(
        SendKind.LATE, Way.SMS, 105.0
    )
    asked = after(text(0.0), text(20.0), voice_asked_at_s=30.0)
    assert next_step(asked, ALL, RULES) == Step(SendKind.RESEND, Way.VOICE, 45.0)
    called = after(text(0.0), text(20.0), call(45.0), voice_asked_at_s=30.0)
    assert next_step(called, ALL, RULES) == Step(SendKind.LATE, Way.SMS, 105.0)


def test_a_number_that_cannot_get_texts_may_be_called_at_once() -> None:
    deaf = after(text(2.0, Fate.UNREACHABLE), voice_asked_at_s=3.0)
    assert next_step(deaf, ALL, RULES) == Step(SendKind.RESEND, Way.VOICE, 3.0)
    told = options(after(text(2.0, Fate.UNREACHABLE)), ALL, RULES, now_s=2.0)
    assert told == (Option(Way.MESSAGE, 0.0), Option(Way.VOICE, 0.0))


def test_where_abuse_is_suspected_only_their_own_text_helps() -> None:
    suspect = after(text(1.0, Fate.SUSPECT), voice_asked_at_s=2.0)
    assert next_step(suspect, ALL, RULES) is None
    assert options(suspect, ALL, RULES, now_s=2.0) == (Option(Way.MESSAGE, 0.0),)


def test_the_newcomer_sees_the_running_plan_and_every_other_way() -> None:
    told = options(after(text(10.0)), ALL, RULES, now_s=11.0)
    assert told == (
        Option(Way.SMS, 30.0),
        Option(Way.VOICE, 55.0),
        Option(Way.MESSAGE, 40.0),
    )


def test_after_seventy_seconds_their_own_text_is_named_first() -> None:
    told = options(after(text(0.0), text(20.0)), ALL, RULES, now_s=70.0)
    assert told[0] == Option(Way.MESSAGE, 30.0)


def test_in_trouble_their_own_text_is_named_first_at_once() -> None:
    trouble = Ways(sms_domains=3, takes_messages=True, is_in_trouble=True)
    assert options(after(), trouble, RULES, now_s=0.0)[0] == Option(Way.MESSAGE, 0.0)


def test_without_other_ways_only_texts_are_promised() -> None:
    told = options(after(text(0.0)), Ways(), RULES, now_s=1.0)
    assert told == (Option(Way.SMS, 20.0),)


def test_other_challenges_of_the_number_put_a_step_off() -> None:
    busy = Progress(started_at_s=0.0, free_at_s=300.0)
    assert next_step(busy, ALL, RULES) == Step(SendKind.FIRST, Way.SMS, 300.0)


def test_once_seen_or_over_nothing_follows() -> None:
    for progress in (
        Progress(started_at_s=0.0, handoffs=[text(0.0)], is_seen=True),
        Progress(started_at_s=0.0, handoffs=[text(0.0)], is_over=True),
    ):
        assert next_step(progress, ALL, RULES) is None


@given(
    fates=st.lists(st.sampled_from([f for f in Fate if f is not Fate.SUSPECT]), max_size=40),
    domains=st.integers(1, 4),
    asks_for_calls=st.booleans(),
)
def test_a_ladder_walked_to_its_end_never_hands_over_more_than_five(
    fates: list[Fate], domains: int, asks_for_calls: bool
) -> None:
    ways = Ways(sms_domains=domains, voice_domains=1, takes_messages=True)
    sent: list[Handoff] = []
    now_s = 0.0
    for fate in fates:
        progress = after(*sent, voice_asked_at_s=now_s if asks_for_calls else None)
        step = next_step(progress, ways, RULES)
        if step is None:
            break
        now_s = max(now_s, step.at_s)
        sent.append(Handoff(at_s=now_s, way=step.way, fate=fate))
    assert sum(handoff.may_arrive for handoff in sent) <= RULES.handoffs_max
