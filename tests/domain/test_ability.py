"""What a process can take, felt for: short trouble costs little, lasting trouble is held off."""

from __future__ import annotations

import math

from hodhod_server.domain.ability import LEAST_PER_S, Ability

TICK_S = 0.25


def live(ability: Ability, seconds: float, entering_per_s: float, *, is_busy: bool) -> None:
    for _ in range(round(seconds / TICK_S)):
        for _ in range(round(entering_per_s * TICK_S)):
            ability.note_entry()
        ability.pass_time(TICK_S, is_busy=is_busy, others_per_s=0.0)


def test_nothing_limits_a_process_that_was_never_busy() -> None:
    ability = Ability()
    live(ability, 60, 200, is_busy=False)
    assert ability.per_s == math.inf


def test_a_short_trouble_is_over_in_seconds_and_forgotten_in_a_minute() -> None:
    ability = Ability()
    live(ability, 30, 120, is_busy=False)
    live(ability, 5, 120, is_busy=True)
    assert 40 < ability.per_s < 80
    live(ability, 6, 60, is_busy=False)
    assert 105 < ability.per_s < 120, "nearly what was too much"
    live(ability, 60, 100, is_busy=False)
    assert ability.per_s == math.inf


def test_lasting_trouble_is_held_below_where_it_hurts() -> None:
    ability, entering_per_s, let_in, busy_s = Ability(), 180.0, 0.0, 0.0
    live(ability, 2, entering_per_s, is_busy=False)
    loud_s = -math.inf
    for tick in range(1200):
        now_s = tick * TICK_S
        if entering_per_s > 130:
            loud_s = now_s
        is_busy = now_s - loud_s < 5.0
        live(ability, TICK_S, entering_per_s, is_busy=is_busy)
        entering_per_s = min(180.0, ability.per_s)
        let_in += entering_per_s * TICK_S
        busy_s += TICK_S * is_busy
    assert let_in / 300 > 0.75 * 130
    assert busy_s < 0.4 * 300


def test_however_busy_somebody_gets_in() -> None:
    ability = Ability()
    live(ability, 600, 1, is_busy=True)
    assert ability.per_s == LEAST_PER_S
