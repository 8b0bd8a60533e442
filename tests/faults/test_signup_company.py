"""What may happen beside a wave of newcomers: people return, bots flood, a process is killed."""

from __future__ import annotations

from functools import partial

import pytest

from hodhod_loadtest.carriers.desk import Handed
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line
from hodhod_loadtest.signups.bots import Flood
from hodhod_loadtest.signups.cases import Case
from hodhod_loadtest.signups.deaths import Deaths, sent_twice
from hodhod_loadtest.signups.returners import Returners
from hodhod_loadtest.signups.secrecy import Secrecy, leaks
from hodhod_loadtest.signups.verdict import Verdict
from hodhod_loadtest.signups.wave import Wave, run_wave
from tests import running

PEOPLE = 30
SURE = Law(median_s=0.3, slow=0.0, lost=0.0, receipt_s=0.2)
HEDGE_S = 8.0
pytestmark = pytest.mark.timeout(180)  # two cores that others use as well
LINES = (
    Line(name="first", kind="kavenegar", law=SURE, agreed_per_s=50),
    Line(name="second", kind="smsir", law=SURE, agreed_per_s=50, listens=True),
)
WAVE = Wave(
    people=PEOPLE,
    seconds=3.0,
    environment={**running.environment(), "HODHOD__SIGNUP__HEDGE_S": f"{HEDGE_S:g}"},
    typing_s=(0.2, 0.6),
)


async def test_who_returns_needs_no_text_and_bots_get_next_to_none() -> None:
    case = Case(
        name="company",
        about="",
        lines=lambda peak, wave_s: LINES,
        promises=(),
        company=(Returners, Flood, Secrecy),
    )
    run = await run_wave(case, WAVE, lambda line: None)
    facts = run.outcome.facts
    said = Verdict(case, WAVE, run).lines()
    assert run.outcome.successes == PEOPLE, said
    assert (facts["returns"], facts["returns not back"]) == (PEOPLE / 2, 0), said
    assert facts["provider calls for returns"] == 0, said
    assert facts["returns sent to the waiting room"] == 0, said
    assert facts["bot starts"] > 2 * PEOPLE, said
    assert facts["texts to bots"] <= 8, said
    assert facts["secrets found"] == 0, said
    assert facts["searched for secrets, MB"] > 0.1, said
    assert not run.complaints


async def test_after_kill_9_everybody_comes_in_and_only_what_was_under_way_is_sent_twice() -> None:
    case = Case(
        name="killed",
        about="",
        lines=lambda peak, wave_s: LINES,
        promises=(),
        company=(partial(Deaths, {"signup": 0.3}, too_soon_s=0.9 * HEDGE_S),),
    )
    run = await run_wave(case, WAVE, lambda line: None)
    facts = run.outcome.facts
    said = Verdict(case, WAVE, run).lines()
    assert run.outcome.successes == facts["told of a challenge"] == PEOPLE, said
    assert facts["challenges lost"] == 0, said
    assert facts["sent twice beyond those"] == 0, said
    assert run.complaints["child.restarted"] == 1, said


def test_a_text_counts_as_sent_twice_only_soon_after_another_to_the_same_phone() -> None:
    handed = [Handed("a", 0.0), Handed("b", 1.0), Handed("a", 2.0), Handed("b", 30.0)]
    assert sent_twice(handed, 15.0) == 1


def test_a_secret_is_found_wherever_it_stands() -> None:
    phones, codes, keys = {b"9121234567"}, {b"048151"}, [b"secret-key"]
    for held in (b"+989121234567", b"to:09121234567.", b'{"code": "048151"}', b"?k=secret-key&x"):
        assert leaks(held, phones, codes, keys) == 1, held
    for held in (b"0.048151", b"1048151", b"a048151", b"9121234568", b"secret"):
        assert leaks(held, phones, codes, keys) == 0, held
