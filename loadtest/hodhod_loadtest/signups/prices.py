"""What a proof of work costs in time: the generator plays all phones, and guesses once.

A wave has the server ask for a single guess, and the payer waits as long as the asked price would
have taken (`docs/explanation/newcomers-at-the-door.md`), so prices are felt as in life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from hodhod_loadtest.signups.door import solve

PHONE_S: Final = {1: 0.3, 2: 2.0, 3: 8.0}


def level_of(challenge: Mapping[str, Any]) -> int:
    """Which price this is."""
    return int(challenge["parameters"]["data"]["level"])


async def pay(challenge: dict[str, Any]) -> str:
    """The proof, after the time it takes a middling phone."""
    await asyncio.sleep(PHONE_S[level_of(challenge)])
    return solve(challenge)
