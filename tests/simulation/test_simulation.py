"""The real gateway and the real SDK on virtual time, while everything breaks: the laws hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Final

from tests.simulation.__main__ import describe
from tests.simulation.run import run_seed
from tests.sizes import sized
from tests.source_tree import ROOT

CPU_S: Final = sized(7.0, 60.0)
WITHOUT_GIT: Final = 0x5EED
SEEDS_AT_LEAST: Final = 10


def seed_of_commit() -> int:
    """Each commit looks at other seeds, and every run of one commit at the same."""
    git = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return int(git.stdout[:12], 16) if git.returncode == 0 else WITHOUT_GIT


def test_the_laws_hold_for_the_seeds_of_this_commit() -> None:
    first, until_s = seed_of_commit(), time.process_time() + CPU_S
    seeds = 0
    while time.process_time() < until_s:
        outcome = run_seed(first + seeds)
        assert outcome.is_good, describe(outcome)
        seeds += 1
    assert seeds >= SEEDS_AT_LEAST, "too slow to be of use"


def test_a_seed_replays_identically_in_another_process_and_two_seeds_differ() -> None:
    here = [run_seed(seed).digest for seed in range(1, 9)]
    program = (
        "from tests.simulation.run import run_seed\n"
        "import sys\n"
        "for seed in range(1, 9): sys.stdout.write(run_seed(seed).digest + ' ')"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.split() == here
    assert len(set(here)) == len(here)
