"""Three times as much as can be served, for a minute: what still gets through, and how it ends.

The server has one core to itself and the generator another, so that neither takes the other's. What
the server can do is found first, by pouring more and more until not all gets through.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, rounded
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.flood import Flood
from hodhod_loadtest.bench.people import Pair, pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, Target, open_target

GOODPUT: Final = "overload_goodput_share"
TIMES: Final = 3.0
FIRST_RATE_PER_S: Final = 2000.0
STEP: Final = 1.25
STEP_S: Final = 4.0
THROUGH_MIN: Final = 0.95
PAUSE_S: Final = 3.0
RECOVERED_S: Final = 0.1  # a message that takes no longer; several in a row are a recovery
IN_A_ROW: Final = 5
RECOVERY_S_MAX: Final = 60.0


async def overload(plan: Plan) -> list[Figure | LeftOut]:
    """Acknowledged messages a second under too much, as a share of the most that was ever so."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return [LeftOut(GOODPUT, "one core for the server and one for us are needed", False)]
    async with open_target(plan) as target:
        people = await settle(target.data_dir, 2 * plan.flooding + 2)
        pairs = await pair_up(people, target.api_url)
        target.processes.keep_to({cores[0]})
        os.sched_setaffinity(0, {cores[1]})
        try:
            async with connected(pairs[:1], target.door) as ([probe], flights):
                return [await _flooded(plan, target, probe, flights, pairs[1:])]
        finally:
            os.sched_setaffinity(0, cores)


async def _flooded(
    plan: Plan, target: Target, probe: Wire, flights: Flights, pairs: Sequence[Pair]
) -> Figure:
    flood = Flood()
    await flood.gather(pairs, target.door)
    try:
        capacity_per_s = await _capacity(plan, flood)
        plan.tell(f"{GOODPUT}: {TIMES * capacity_per_s:.0f}/s for {plan.overload_s:.0f} s")
        before, use_before = flood.acknowledged, target.processes.read()
        refused_before = flood.turned_away
        offered_per_s = await flood.pour(TIMES * capacity_per_s, plan.overload_s)
        use = target.processes.read() - use_before
        goodput_per_s = (flood.acknowledged - before) / use.wall_s
        refused_per_s = (flood.turned_away - refused_before) / use.wall_s
        recovery_s = await _recovery(probe, flights)
    finally:
        flood.disperse()
    return Figure(
        name=GOODPUT,
        unit="share",
        better="higher",
        runs=(goodput_per_s / capacity_per_s,),
        elsewhere=share_elsewhere([use]),
        detail={
            "capacity_per_s": rounded(capacity_per_s),
            "offered_per_s": rounded(offered_per_s),
            "goodput_per_s": rounded(goodput_per_s),
            "refused_per_s": rounded(refused_per_s),
            "recovery_s": rounded(recovery_s),
            "writers": len(pairs),
            **use.as_json(),
        },
    )


async def _capacity(plan: Plan, flood: Flood) -> float:
    """The most messages a second that were acknowledged, at any rate offered."""
    rate_per_s, best_per_s = FIRST_RATE_PER_S, 0.0
    while True:
        before = flood.acknowledged
        offered_per_s = await flood.pour(rate_per_s, STEP_S)
        got_per_s = (flood.acknowledged - before) / STEP_S
        plan.tell(f"{GOODPUT}: {got_per_s:.0f}/s of {offered_per_s:.0f}/s get through")
        best_per_s = max(best_per_s, got_per_s)
        await asyncio.sleep(PAUSE_S)
        if got_per_s < THROUGH_MIN * offered_per_s:
            return best_per_s
        rate_per_s *= STEP


async def _recovery(probe: Wire, flights: Flights) -> float:
    """Seconds until messages are as quick again as if nothing had been."""
    clock = asyncio.get_running_loop().time
    began, in_a_row = clock(), 0
    while in_a_row < IN_A_ROW:
        if clock() - began > RECOVERY_S_MAX:
            raise BenchFailed(f"no recovery within {RECOVERY_S_MAX:.0f} s")
        refusals, sent_at = flights.refusals, clock()
        flights.take_off(probe, sent_at)
        has_landed = await flights.all_landed(RECOVERED_S)
        is_quick = has_landed and flights.refusals == refusals
        in_a_row = in_a_row + 1 if is_quick else 0
        await flights.all_landed(RECOVERY_S_MAX)
        await asyncio.sleep(RECOVERED_S)
    return clock() - began
