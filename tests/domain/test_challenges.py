"""A challenge's states and times, in every order of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.challenges import Challenge, ChallengeRules, ChallengeState, free_at
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.services.signup import rules_of
from hodhod_server.settings import SignupSettings

RULES: ChallengeRules = rules_of(SignupSettings())
BEGAN = datetime(2026, 3, 21, 12, tzinfo=UTC)
ages = st.floats(0, 3000, allow_nan=False)


def _at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def _challenge(*handoffs_s: float, handing_over_at: datetime | None = None) -> Challenge:
    """A challenge with these hand-offs, all of them taken but the one under way."""
    handoffs = tuple(_at(age) for age in sorted(handoffs_s))
    taken = [moment for moment in handoffs if moment != handing_over_at]
    return Challenge(
        challenge=ChallengeId("A" * 22),
        phone_hash=b"",
        phone_sealed=b"",
        device_key=None,
        device_name="",
        platform="",
        locale="fa",
        key_epoch=0,
        created_at=BEGAN,
        handoffs=handoffs,
        handing_over_at=handing_over_at,
        sent_at=taken[-1] if taken else None,
    )


@given(st.lists(ages, min_size=1, max_size=8), ages)
def test_no_code_is_accepted_longer_than_its_validity(sends: list[float], now: float) -> None:
    challenge = _challenge(*sends)
    for generation in challenge.accepted_generations(_at(now), RULES):
        carried = [
            moment
            for moment in challenge.handoffs
            if challenge.generation_at(moment, RULES) == generation
        ]
        assert (_at(now) - carried[0]).total_seconds() < RULES.code_validity_s


@given(st.lists(ages, min_size=1, max_size=8), ages)
def test_a_challenge_waits_exactly_while_a_code_is_accepted(sends: list[float], now: float) -> None:
    challenge = _challenge(*sends)
    is_waiting = challenge.state(_at(now), RULES) is ChallengeState.SENT
    assert is_waiting == bool(challenge.accepted_generations(_at(now), RULES))


@given(st.lists(ages, max_size=12), ages)
def test_a_send_at_the_free_moment_keeps_to_the_limit(sends: list[float], now: float) -> None:
    handoffs = tuple(_at(age) for age in sorted(sends) if age <= now)
    moment = free_at(handoffs, _at(now), RULES)
    recent = [item for item in handoffs if item > moment - timedelta(seconds=600)]
    assert len(recent) < RULES.handoffs_max
    assert moment >= _at(now)


def test_a_handoff_under_way_lapses_with_its_process() -> None:
    challenge = _challenge(0, handing_over_at=BEGAN)
    assert challenge.state(_at(1), RULES) is ChallengeState.QUEUED
    assert challenge.is_being_handed_over(_at(14.9))
    assert not challenge.is_being_handed_over(_at(15))
    assert challenge.next_send_at(_at(1), RULES) == _at(15)


def test_without_a_handoff_a_send_may_begin_at_once() -> None:
    assert _challenge().next_send_at(_at(3), RULES) == _at(3)
    assert _challenge().accepted_generations(_at(3), RULES) == ()


def test_a_challenge_does_not_show_what_it_holds() -> None:
    assert repr(_challenge()) == f"Challenge({'A' * 22})"
