"""The judge is judged: every planted fault is found, and soon."""

from __future__ import annotations

from typing import Final

import pytest

from tests.simulation import planted
from tests.simulation.run import run_seed
from tests.simulation.sabotage import Sabotage

SEEDS: Final = range(1, 301)


@pytest.mark.parametrize("fault", planted.ALL, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: type[Sabotage]) -> None:
    assert any(not run_seed(seed, sabotage=fault()).is_good for seed in SEEDS)
