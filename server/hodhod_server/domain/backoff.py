"""How long to wait before trying again: doubling, bounded, with jitter."""

from __future__ import annotations

import random


def delay_s(attempt: int, *, first_s: float, max_s: float, dice: random.Random) -> float:
    """The wait before attempt number `attempt` (0 is the first retry).

    Full jitter between half and the whole of the doubled delay, so that many who failed together
    do not come back together.
    """
    ceiling = min(max_s, first_s * 2.0 ** min(attempt, 32))
    return ceiling * (0.5 + dice.random() / 2)
