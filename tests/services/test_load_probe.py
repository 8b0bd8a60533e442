"""The probe on a real event loop: it sees what keeps the loop from its work, and when that ends."""

from __future__ import annotations

import asyncio
import time

from hodhod_server.domain.load import Level
from hodhod_server.settings import LoadSettings
from hodhod_server.telemetry.load_probe import LoadProbe
from tests.eventually import eventually

STALL_S = 0.2
SETTINGS = LoadSettings(busy_ms=80, strained_ms=150, saturated_ms=10_000, calm_s=0.3)


def stall() -> None:
    """Keep the loop from everything else."""
    time.sleep(STALL_S)


async def test_a_loop_kept_from_its_work_is_loaded_until_it_is_left_alone() -> None:
    probe = LoadProbe(SETTINGS)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(probe.run())
        await asyncio.sleep(0.3)
        stall()
        await asyncio.sleep(0.1)
        assert probe.level < Level.STRAINED, "a single stall is no load"
        for _ in range(50):
            stall()
            await asyncio.sleep(0.03)
            if probe.level is Level.STRAINED:
                break
        assert probe.level is Level.STRAINED
        await eventually(lambda: probe.level is Level.CALM, within_s=20)
        running.cancel()
