"""A challenge's states and times, in every order of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.challenges import Challenge, ChallengeRules, ChallengeState, Send
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import Fate, Way
from hodhod_server.services.signup import rules_of
from hodhod_server.settings import SignupSettings

RULES: ChallengeRules = rules_of(SignupSettings())
BEGAN = datetime(2026, 3, 21, 12, tzinfo=UTC)
ages = st.floats(0, 3000, allow_nan=False)


def _at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def _challenge(*handoffs_s: float, **known: Any) -> Challenge:
    """A challenge with these hand-offs, all of them taken."""
    handoffs = tuple(_at(age) for age in sorted(handoffs_s))
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
        sent_at=handoffs[-1] if handoffs else None,
        **known,
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


def test_without_a_handoff_no_code_is_accepted_and_the_challenge_lapses() -> None:
    assert _challenge().accepted_generations(_at(3), RULES) == ()
    assert _challenge().state(_at(899), RULES) is ChallengeState.QUEUED
    assert _challenge().state(_at(900), RULES) is ChallengeState.EXPIRED


@pytest.mark.parametrize(("wrong", "delay_s"), [(1, 0), (2, 5), (3, 15), (4, 30)])
def test_each_further_try_waits_longer(wrong: int, delay_s: int) -> None:
    challenge = _challenge(0, wrong_tries=wrong, wrong_at=_at(7))
    assert challenge.try_again_at() == _at(7 + delay_s)


def test_a_locked_challenge_can_still_be_proved_otherwise() -> None:
    locked = _challenge(0, wrong_tries=5)
    assert locked.state(_at(1), RULES) is ChallengeState.LOCKED
    proved = _challenge(0, wrong_tries=5, accepted_at=_at(1), accepted_by="message")
    assert proved.state(_at(2), RULES) is ChallengeState.ACCEPTED


def test_the_ladder_is_told_what_became_of_each_send() -> None:
    outcomes = (None, "accepted", "ambiguous", "throttled", "recipient", "fraud")
    sends = tuple(Send(at=BEGAN, way=Way.SMS, outcome=outcome) for outcome in outcomes)
    progress = _challenge(0, sends=sends).progress(_at(1), RULES)
    assert [handoff.fate for handoff in progress.handoffs] == [
        Fate.UNDER_WAY,
        Fate.TAKEN,
        Fate.DOUBTFUL,
        Fate.REFUSED,
        Fate.UNREACHABLE,
        Fate.SUSPECT,
    ]


def test_a_challenge_does_not_show_what_it_holds() -> None:
    assert repr(_challenge()) == f"Challenge({'A' * 22})"
