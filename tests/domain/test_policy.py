"""Who may do what to whom, as a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from hodhod_server.domain import policy
from hodhod_server.domain.errors import Forbidden, HodhodError, Malformed, Muted, WrongState
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import (
    ChatKind,
    ChatRights,
    MemberRole,
    Membership,
    Standing,
)
from hodhod_server.domain.permissions import (
    CHANNEL_DEFAULT,
    EVERYTHING,
    FOR_MEMBERS,
    GROUP_DEFAULT,
    NOTHING,
    Permission,
    from_names,
    names_of,
)

NOW = datetime(2026, 3, 21, tzinfo=UTC)
P = Permission
OWNER = Membership(user=UserId(1), role=MemberRole.OWNER)
ADMIN = Membership(user=UserId(2), role=MemberRole.ADMIN, permissions=P.MANAGE_MEMBERS | P.PROMOTE)
HIS_ADMIN = Membership(
    user=UserId(3), role=MemberRole.ADMIN, permissions=P.MANAGE_MEMBERS, promoted_by=UserId(2)
)
BARE_ADMIN = Membership(user=UserId(4), role=MemberRole.ADMIN, permissions=NOTHING)
MEMBER = Membership(user=UserId(5))
OTHER = Membership(user=UserId(6))
RESTRICTED = Membership(user=UserId(7), permissions=P.INVITE | P.MANAGE_MEMBERS)
MUTED = Membership(user=UserId(8), muted_until=NOW + timedelta(seconds=9))
ALL = (OWNER, ADMIN, HIS_ADMIN, BARE_ADMIN, MEMBER, OTHER, RESTRICTED, MUTED)


def in_group(member: Membership, default: Permission = GROUP_DEFAULT) -> Standing:
    return Standing(ChatRights(chat=ChatId(1), kind=ChatKind.GROUP, permissions=default), member)


def refusal(rule: Callable[[], None]) -> type[HodhodError] | None:
    try:
        rule()
    except HodhodError as refused:
        return type(refused)
    return None


@pytest.mark.parametrize(
    ("member", "default", "expected"),
    [
        (OWNER, NOTHING, EVERYTHING),
        (ADMIN, NOTHING, P.MANAGE_MEMBERS | P.PROMOTE),
        (ADMIN, GROUP_DEFAULT, GROUP_DEFAULT | P.MANAGE_MEMBERS | P.PROMOTE),
        (BARE_ADMIN, GROUP_DEFAULT, GROUP_DEFAULT),
        (MEMBER, GROUP_DEFAULT, GROUP_DEFAULT),
        (MEMBER, CHANNEL_DEFAULT, NOTHING),
        (RESTRICTED, GROUP_DEFAULT, P.INVITE),
        (RESTRICTED, NOTHING, NOTHING),
    ],
)
def test_what_a_member_may_follows_from_role_default_and_own(
    member: Membership, default: Permission, expected: Permission
) -> None:
    assert member.effective(default) == expected


ABOVE = {
    OWNER: {ADMIN, HIS_ADMIN, BARE_ADMIN, MEMBER, OTHER, RESTRICTED, MUTED},
    ADMIN: {HIS_ADMIN, MEMBER, OTHER, RESTRICTED, MUTED},
    HIS_ADMIN: {MEMBER, OTHER, RESTRICTED, MUTED},
    BARE_ADMIN: {MEMBER, OTHER, RESTRICTED, MUTED},
}


@pytest.mark.parametrize("actor", ALL, ids=lambda one: str(one.user))
def test_who_stands_above_whom(actor: Membership) -> None:
    below = {target for target in ALL if policy.is_above(actor, target)}
    assert below == ABOVE.get(actor, set())


@pytest.mark.parametrize("actor", ALL, ids=lambda one: str(one.user))
def test_managing_needs_the_right_and_the_higher_place(actor: Membership) -> None:
    may = {OWNER, ADMIN, HIS_ADMIN}
    for target in ALL:
        allowed = actor in may and target in ABOVE.get(actor, set())
        rule = refusal(partial(policy.require_can_manage, in_group(actor), target))
        assert rule == (None if allowed else Forbidden), target


@pytest.mark.parametrize(
    ("actor", "target", "granted", "expected"),
    [
        (OWNER, MEMBER, EVERYTHING, None),
        (OWNER, ADMIN, NOTHING, None),
        (ADMIN, MEMBER, P.MANAGE_MEMBERS, None),
        (ADMIN, MEMBER, P.MANAGE_LINKS, Forbidden),
        (ADMIN, HIS_ADMIN, P.PROMOTE, None),
        (ADMIN, BARE_ADMIN, NOTHING, Forbidden),
        (ADMIN, OWNER, NOTHING, Forbidden),
        (ADMIN, ADMIN, NOTHING, Forbidden),
        (HIS_ADMIN, MEMBER, NOTHING, Forbidden),
        (MEMBER, OTHER, NOTHING, Forbidden),
    ],
)
def test_nobody_gives_what_they_do_not_have(
    actor: Membership,
    target: Membership,
    granted: Permission,
    expected: type[HodhodError] | None,
) -> None:
    standing = in_group(actor)
    assert refusal(lambda: policy.require_can_appoint(standing, target, granted)) is expected


@pytest.mark.parametrize(
    ("actor", "default", "holds_file", "expected"),
    [
        (MEMBER, GROUP_DEFAULT, True, None),
        (MEMBER, P.POST, False, None),
        (MEMBER, P.POST, True, Forbidden),
        (MEMBER, P.SEND_FILES, True, Forbidden),
        (MEMBER, NOTHING, False, Forbidden),
        (OWNER, NOTHING, True, None),
        (BARE_ADMIN, NOTHING, False, Forbidden),
        (RESTRICTED, GROUP_DEFAULT, False, Forbidden),
        (MUTED, GROUP_DEFAULT, False, Muted),
    ],
)
def test_who_may_write(
    actor: Membership,
    default: Permission,
    holds_file: bool,
    expected: type[HodhodError] | None,
) -> None:
    standing = in_group(actor, default)
    rule = refusal(lambda: policy.require_can_post(standing, NOW, holds_file=holds_file))
    assert rule is expected


def test_a_mute_ends_and_holds_no_admin() -> None:
    later = NOW + timedelta(seconds=9)
    policy.require_can_post(in_group(MUTED), later, holds_file=False)
    promoted = Membership(user=UserId(8), role=MemberRole.ADMIN, muted_until=later)
    policy.require_can_post(in_group(promoted), NOW, holds_file=False)


def test_rules_for_all_are_made_by_admins_who_manage_members() -> None:
    wide = Permission(255)
    for actor in ALL:
        standing = in_group(actor, wide if actor is MEMBER else GROUP_DEFAULT)
        rule = refusal(partial(policy.require_can_set_rules, standing, P.POST))
        assert rule == (None if actor in {OWNER, ADMIN, HIS_ADMIN} else Forbidden)
    for one in Permission:
        rule = refusal(partial(policy.require_can_set_rules, in_group(OWNER), one))
        assert rule == (None if one in FOR_MEMBERS else Forbidden)


def test_an_owner_stays_until_another_takes_over() -> None:
    assert refusal(lambda: policy.require_can_leave(OWNER)) is WrongState
    assert refusal(lambda: policy.require_can_leave(ADMIN)) is None
    assert refusal(lambda: policy.require_can_hand_over(OWNER, MEMBER)) is None
    assert refusal(lambda: policy.require_can_hand_over(OWNER, OWNER)) is WrongState
    assert refusal(lambda: policy.require_can_hand_over(ADMIN, MEMBER)) is Forbidden


def test_permissions_have_names_and_bits_that_stay() -> None:
    assert {one.name: one.value for one in Permission} == {
        "POST": 1,
        "SEND_FILES": 2,
        "INVITE": 4,
        "CHANGE_INFO": 8,
        "MANAGE_MEMBERS": 16,
        "MANAGE_LINKS": 32,
        "APPROVE_REQUESTS": 64,
        "PROMOTE": 128,
    }
    assert from_names(names_of(EVERYTHING)) == EVERYTHING
    assert names_of(NOTHING) == []
    for wrong in ("fly", "POST", "", "post "):
        with pytest.raises(Malformed):
            from_names([wrong])
