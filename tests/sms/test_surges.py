"""What newcomers live through in a surge, as far as routing decides it.

The same shape as 60,000 in ten minutes at a part of its length; the whole is in the tables of
docs/explanation/code-routing.md. Carriers are simulated, so a case ranks policies.
"""

from __future__ import annotations

import functools

import msgspec
import pytest

from tests.sizes import sized
from tests.sms.carrier_world import Report, live_through
from tests.sms.carriers import CASES, Carrier, three

USERS = sized(3_000, 6_000)
MANY = 6_000  # where one in a thousand decides


@functools.cache
def lived(name: str, users: int = USERS) -> Report:
    return live_through(CASES[name], users)


def test_in_a_healthy_surge_codes_come_in_seconds_for_little_more_than_a_text_each() -> None:
    report = lived("healthy")
    assert report.p50_s <= 6
    assert report.p95_s <= 25
    assert report.p99_s <= 60  # a tenth of a second hedge in a short run moves this one
    assert report.sms_per_success <= 1.15
    assert report.opened == ()


@pytest.mark.parametrize("name", ["silent from the start", "cheap one silent from the start"])
def test_a_provider_that_is_silent_from_the_start_is_left_out_within_20_s(name: str) -> None:
    report = lived(name)
    assert report.p95_s <= 30
    assert report.in_two_minutes >= 0.999
    assert report.opened[0][0] == "ada"
    assert report.opened[0][1] <= 20
    assert {provider for provider, _ in report.opened} == {"ada"}


@pytest.mark.parametrize("cost", [100, 200])
def test_a_provider_that_falls_silent_in_the_surge_is_left_out_within_20_s(cost: int) -> None:
    carriers = (
        *(Carrier(name=name, cost=200) for name in ("bita", "caman")),
        *three(cost=cost, silent_from_s=25.0)[::3],
    )
    report = live_through(msgspec.structs.replace(CASES["healthy"], carriers=carriers), USERS)
    assert report.p95_s <= 30
    assert report.in_two_minutes >= 0.999
    assert report.opened[0][0] == "ada"
    assert report.opened[0][1] <= 45


def test_hard_errors_cost_nobody_anything() -> None:
    for name in ("hard errors", "credit gone at 60 s"):
        assert lived(name).p95_s <= 25


def test_with_30_percent_lost_everywhere_everybody_comes_in() -> None:
    report = lived("30 % lost everywhere", MANY)
    assert report.in_hand_in_two_minutes >= 0.999
    assert report.in_ten_minutes >= 0.9999
    assert report.p95_s <= 65
    assert report.sms_per_success <= 1.45
    assert report.opened == ()


def test_other_ways_than_texts_matter_where_handsets_get_none() -> None:
    assert lived("30 % lost, 1 % deaf").in_ten_minutes >= 0.999
    assert lived("30 % lost, 1 % deaf, texts only").in_ten_minutes < 0.992


def test_a_weak_provider_is_avoided_and_not_opened() -> None:
    report = lived("one weak (60 % lost)", MANY)
    assert report.p95_s <= 30
    assert report.opened == ()


def test_with_too_little_capacity_people_wait_and_nothing_breaks() -> None:
    report = lived("130/s under 180/s")
    assert report.in_two_minutes >= 0.95
    assert report.in_ten_minutes == 1.0
    assert report.sms_per_success <= 1.15


def test_throttling_is_met_by_a_slower_pace() -> None:
    report = lived("throttled to half")
    assert report.p95_s <= 25
    assert report.sms_per_success <= 1.15


def test_when_all_are_silent_nothing_is_opened_and_their_own_texts_carry() -> None:
    report = lived("all silent")
    assert report.opened == ()
    assert report.incident_at_s is not None
    assert report.incident_at_s <= 25
    assert report.in_ten_minutes >= 0.999


def test_impatience_buys_no_texts() -> None:
    calm, impatient = lived("healthy"), lived("healthy, impatient")
    assert abs(impatient.sms_per_success / calm.sms_per_success - 1) < 0.02
