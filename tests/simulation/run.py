"""One seed, one run: talk while things break, heal, wait until it is quiet, judge."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from hodhod_loadtest.invariants import Violation
from tests.simulation.judge import is_converged, judge
from tests.simulation.processes import follow
from tests.simulation.sabotage import Sabotage
from tests.simulation.scenario import HEALS_ALONE, Fault, Scenario
from tests.simulation.trace import Trace
from tests.simulation.virtual_time import Deadlock, VirtualTimeLoop
from tests.simulation.world import World

QUIET_WITHIN_S: Final = 180.0  # heartbeats, patience, back-off and a resync, one after the other
LOOK_S: Final = 1.0
ENDED_WITHIN_S: Final = 5.0  # closing words take up to two seconds
AFTERMATH_S: Final = 2.0  # what comes too much may come late


@dataclass(slots=True)
class Outcome:
    """What became of a run."""

    seed: int
    digest: str = ""
    messages: int = 0
    quiet_after_s: float | None = None
    violations: list[Violation] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Every promise was kept, and nothing crashed that was not killed."""
        return not self.violations and not self.defects and self.quiet_after_s is not None


def run_seed(seed: int, *, sabotage: Sabotage | None = None, keeps_lines: bool = False) -> Outcome:
    """Live through it."""
    outcome, trace = Outcome(seed), Trace(keeps_lines=keeps_lines)
    with (
        _complaints(outcome.defects),
        asyncio.Runner(loop_factory=VirtualTimeLoop) as runner,
    ):
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        follow(loop)
        loop.set_exception_handler(lambda _, context: outcome.defects.append(_told(context)))
        try:
            runner.run(_live(outcome, sabotage or Sabotage(), trace))
        except Deadlock as error:
            outcome.defects.append(str(error))
    outcome.digest, outcome.lines = trace.digest, trace.lines
    return outcome


async def _live(outcome: Outcome, sabotage: Sabotage, trace: Trace) -> None:
    dice = random.Random(outcome.seed)
    scenario = sabotage.scenario(dice)
    world = World(scenario, dice, sabotage, trace)
    world.start()
    await _talk(scenario, world)
    healed_s = asyncio.get_running_loop().time()
    trace.note("healed")
    while asyncio.get_running_loop().time() - healed_s < QUIET_WITHIN_S:
        await asyncio.sleep(LOOK_S)
        if world.is_quiet and is_converged(world.seen):
            outcome.quiet_after_s = asyncio.get_running_loop().time() - healed_s
            break
    await asyncio.sleep(AFTERMATH_S)
    for ledger in world.seen.ledgers.values():
        ledger.end_life(asyncio.get_running_loop().time())
    outcome.violations = judge(world.seen)
    outcome.messages = sum(table.last_seq for table in world.seen.tables.chats.values())
    world.end()
    await asyncio.sleep(ENDED_WITHIN_S)
    left = sorted(str(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()})
    outcome.defects += [*world.defects, *(f"outlived its process: {task}" for task in left)]


async def _talk(scenario: Scenario, world: World) -> None:
    """Everything that was drawn, each at its moment; returns when all is healed."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    healing: list[float] = [began_s + scenario.talk_s]
    for fault in scenario.faults:
        if fault.kind not in HEALS_ALONE:
            healing.append(began_s + fault.at_s + fault.lasts_s)
        loop.call_at(began_s + fault.at_s, _break, world, fault)
    for sentence in scenario.sentences:
        loop.call_at(
            began_s + sentence.at_s,
            world.write,
            sentence.device,
            sentence.chat,
            sentence.client_id,
            sentence.text,
        )
    await asyncio.sleep(max(healing) - began_s + 0.1)
    world.heal()


def _break(world: World, fault: Fault) -> None:
    heal: Callable[[], None] = world.break_(fault)
    asyncio.get_running_loop().call_later(fault.lasts_s, heal)


def _told(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


@contextlib.contextmanager
def _complaints(into: list[str]) -> Iterator[None]:
    """Errors that the product logs are defects; what it logs below that is silenced."""

    def keep(
        _: object, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        into.append(f"{method}: {event}")
        raise structlog.DropEvent

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            into.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    )
    handler, logger = Handler(logging.ERROR), logging.getLogger("hodhod")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        structlog.configure(**before)
