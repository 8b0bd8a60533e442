"""Several generator processes do together what one does, and leave one recording."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.casting import (
    Cast,
    ChatPart,
    CrowdPart,
    Pacing,
    Said,
    Uploading,
    together,
)
from hodhod_loadtest.running.companion import InsideFailed, company
from hodhod_loadtest.running.health import health
from hodhod_loadtest.running.rehearsal import Options
from hodhod_loadtest.running.share import Share, Turns
from hodhod_loadtest.scenarios.model import Scale, Stopwatch
from hodhod_loadtest.shapes.curve import Curve
from tests import running
from tests.loadtest.test_recording import Clock, recording

NOBODY = Cast(host="127.0.0.1", port=9, path="/", seed=1, crowds=[])


@given(st.lists(st.integers()), st.integers(1, 7), st.integers(0, 20))
def test_all_shares_together_are_the_whole(items: list[int], of: int, crowd: int) -> None:
    taken = [list(Share(number, of).of_crowd(crowd).take(items)) for number in range(of)]
    assert sorted(item for each in taken for item in each) == sorted(items)
    assert max(map(len, taken)) - min(map(len, taken)) <= 1
    assert taken[crowd % of][:1] == items[:1], "the first one is elsewhere in each crowd"


def _chats(count: int) -> CrowdPart:
    return CrowdPart(
        chats=[
            ChatPart(chat=number, people=[Person(2 * number, ""), Person(2 * number + 1, "")])
            for number in range(count)
        ]
    )


def _uploaders(count: int) -> CrowdPart:
    tokens = [str(number) for number in range(count)]
    return CrowdPart(
        uploading=Uploading(media_url="", tokens=tokens, bytes_each=1, bytes_per_s=1.0)
    )


def _people(part: CrowdPart) -> list[str]:
    return part.uploading.tokens if part.uploading else [str(chat.chat) for chat in part.chats]


def _acts(part: CrowdPart, share: Share, curves: list[Curve]) -> list[tuple[int, float, str]]:
    """In which act, when, and who."""
    turns = Turns(share, part.turns, random.Random("alike"))
    people = itertools.cycle(_people(part.dealt(share)))
    return [
        (number, due_s, next(people))
        for number, curve in enumerate(curves)
        for due_s in turns.due_s(curve)
    ]


@given(
    part=st.builds(_chats, st.integers(1, 12)) | st.builds(_uploaders, st.integers(1, 12)),
    of=st.integers(1, 5),
    crowd=st.integers(0, 3),
    rates=st.lists(st.floats(0.5, 40), min_size=1, max_size=3),
)
def test_the_same_people_do_the_same_at_the_same_moments_in_any_number_of_processes(
    part: CrowdPart, of: int, crowd: int, rates: list[float]
) -> None:
    whole = max(1, part.turns)
    curves = [Curve.constant(per_s * whole, whole) for per_s in rates]  # each has many turns
    shares = [Share(number, of).of_crowd(crowd) for number in range(of)]
    dealt = [_acts(part, share, curves) for share in shares]
    acts = sorted(act for each in dealt for act in each)
    assert acts == sorted(_acts(part, Share(), curves))
    for number, curve in enumerate(curves):
        in_this = [sum(act[0] == number for act in each) for each in dealt]
        assert sum(in_this) == round(curve.total), "rates add up"
        for share, count in zip(shares, in_this, strict=True):
            own = part.dealt(share).turns / whole
            assert abs(count - own * curve.total) <= part.turns + 1, "by how many are here"


def test_a_run_is_void_where_one_process_of_many_was_late() -> None:
    clock = Clock()
    recorder = Recorder(clock)
    for number in range(10):
        part = Recorder(clock, 100.0)
        for due in range(100):
            late_s = 0.08 if number == 7 and due < 5 else 0.001
            part.note(f"lag.inside {Share(number, 10)}", 100.0 + due, 100.0 + due + late_s)
        recorder.absorb(part.finish(recording()))
    told = health(recorder.finish(recording()), Stopwatch(lag_p99_ms_max=20.0), 1.0, 11)
    assert (told.is_valid, round(told.lag_p99_ms)) == (False, 80)
    assert told.why.startswith("messages of process 7/10 were 80.0 ms late")


def test_what_several_say_is_told_as_one() -> None:
    one = Said(what="going", counts={"a": 1, "b": 2}, message_p99_ms=3.0, is_real_time=True)
    other = Said(what="going", counts={"b": 5}, message_p99_ms=2.0, lag_p99_ms=0.5)
    told = together([one, other])
    assert told.counts == {"a": 1, "b": 7}
    assert (told.message_p99_ms, told.lag_p99_ms, told.is_real_time) == (3.0, 0.5, False)


def test_the_command_that_repeats_a_run_names_what_is_not_as_usual(tmp_path: Path) -> None:
    one, three = (Options(name="chat", out=tmp_path, generators=number) for number in (1, 3))
    assert "--generators" not in one.command(1, Scale())
    assert three.command(1, Scale()).endswith(" --generators 3")


@pytest.fixture
def _child_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_child_environment")
async def test_a_run_of_which_a_part_is_missing_is_none(tmp_path: Path) -> None:
    async with asyncio.timeout(40), company(NOBODY, tmp_path, 2) as inside:
        told = await inside.play(time.monotonic(), 0.2, [])
        assert (told.seconds, told.generator) == (0.2, None)
        assert inside.cpu_s > 0
        late = next(player for player in inside.players if player.share.number == 1)
        os.kill(late.process.pid, signal.SIGKILL)
        with pytest.RaisesGroup(pytest.RaisesExc(InsideFailed, match=r"\(1/2\) are gone")):
            await inside.play(time.monotonic(), 30.0, [Pacing()])
    assert all(player.process.returncode is not None for player in inside.players)
