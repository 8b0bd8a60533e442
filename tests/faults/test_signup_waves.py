"""A small wave of newcomers, also where one carrier swallows every text and says it did not."""

from __future__ import annotations

import pytest

from hodhod_loadtest.carriers.law import Law, Span
from hodhod_loadtest.carriers.street import Line
from hodhod_loadtest.signups.cases import Case
from hodhod_loadtest.signups.verdict import Verdict
from hodhod_loadtest.signups.wave import Wave, run_wave
from tests import running

PEOPLE = 24  # as many as are sent a second text while the budget for it is its first one
SURE = Law(median_s=0.3, slow=0.0, lost=0.0, receipt_s=0.2)
SILENT = Law(silent=(Span(0.0),), lying=1.0)
# Everything ten times as fast as in life, so that the ladder is climbed within the test;
# but the third text has a time of its own, so nobody may need it where one carrier is silent.
SETTINGS = {"HODHOD__SIGNUP__HEDGE_S": "3"}


def _case(name: str, first: Law, others: Law) -> Case:
    lines = (
        Line(name="first", kind="kavenegar", law=first, agreed_per_s=50),
        Line(name="second", kind="smsir", law=others, agreed_per_s=50, listens=True),
        Line(name="third", kind="ghasedak", law=others, agreed_per_s=50),
    )
    return Case(name=name, about="", lines=lambda peak, wave_s: lines, promises=())


@pytest.mark.parametrize(
    ("case", "processes"), [(_case("healthy", SURE, SURE), 2), (_case("silent", SILENT, SURE), 1)]
)
async def test_everybody_comes_in_and_nothing_is_complained_of(case: Case, processes: int) -> None:
    wave = Wave(
        people=PEOPLE,
        seconds=4.0,
        environment={
            **running.environment(),
            **SETTINGS,
            "HODHOD__SIGNUP__PROCESSES": str(processes),
        },
        typing_s=(0.2, 0.6),
    )
    run = await run_wave(case, wave, lambda line: None)
    outcome = run.outcome
    assert outcome.successes == PEOPLE, Verdict(case, wave, run).lines()
    assert outcome.share_in(25.0) == 1.0
    assert outcome.texts_per_success < 2.5
    assert not outcome.refusals
    assert not run.complaints
