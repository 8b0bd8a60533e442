"""Whose a proved number is, for every combination of what is known and what is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.models import User
from hodhod_server.domain.ownership import Decision, Evidence, Owner, OwnershipRules, decide

NOW = datetime(2026, 3, 21, tzinfo=UTC)
RULES = OwnershipRules(idle_days=30, pin_days=7, claim_days=90)
SARA = User(user=UserId(1), name="سارا", phone_sealed=b"", created_at=NOW)

owners = st.none() | st.builds(
    Owner,
    user=st.just(SARA),
    has_pin=st.booleans(),
    has_totp=st.booleans(),
    last_seen_at=st.integers(0, 100).map(lambda days: NOW - timedelta(days=days)),
)
evidence = st.builds(
    Evidence,
    name=st.just("x"),
    wants_fresh=st.booleans(),
    vouched_by=st.sampled_from([None, SARA.user, UserId(2)]),
    proved=st.sampled_from([None, SARA.user, UserId(2)]),
)


@given(owners, evidence)
def test_nobody_enters_a_guarded_or_idle_account_by_the_number_alone(
    owner: Owner | None, shown: Evidence
) -> None:
    decision = decide(owner, shown, RULES, NOW)
    if owner is None:
        assert decision is Decision.FRESH
        return
    is_known = SARA.user in (shown.vouched_by, shown.proved)
    assert owner.last_seen_at is not None
    idle = NOW - owner.last_seen_at
    if is_known:
        assert decision is Decision.EXISTING
    elif owner.is_guarded:
        assert decision is not Decision.EXISTING
        may_be_fresh = shown.wants_fresh and idle >= timedelta(days=7)
        assert (decision is Decision.FRESH) == may_be_fresh
    else:
        assert (decision is Decision.FRESH) == (idle > timedelta(days=30))
        assert decision is not Decision.GUARDED
