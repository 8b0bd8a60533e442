"""Orders of the dispatcher: each has one place in line, however often it is put off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules, Ways
from hodhod_server.services.dispatch_orders import Orders
from hodhod_server.services.signup import rules_of
from hodhod_server.settings import SignupSettings

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
WAYS = Ways(sms_domains=2)


def _challenge(number: int) -> Challenge:
    return Challenge(
        challenge=ChallengeId(f"c{number}"),
        phone_hash=b"hash",
        phone_sealed=b"sealed",
        device_key=None,
        device_name="test",
        platform="python",
        locale="fa",
        key_epoch=1,
        created_at=NOW,
    )


def test_an_order_that_is_put_off_again_and_again_is_due_once() -> None:
    orders, chance = Orders(rules_of(SignupSettings()), LadderRules()), Random(1)
    for number in range(10):
        orders.add(_challenge(number), WAYS, NOW)
    seen: list[int] = []
    for turn in range(200):  # as when there is no budget for hedges: planned anew, put off again
        now = NOW + timedelta(seconds=turn / 50)
        due = list(orders.due(now.timestamp()))
        seen.append(len(due))
        for order in due:
            orders.plan(order.challenge.challenge, WAYS, now)
            orders.put_off(order, now.timestamp() + chance.uniform(0.5, 1.0))
    assert max(seen) == 10, "never more than there are"
    assert sum(seen) <= 10 * 9, "and each of them once in half a second at most"
