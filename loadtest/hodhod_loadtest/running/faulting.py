"""Does to the server what a scenario says, when it says so, and writes down when it was done.

Only processes that the server's own `processes.json` names are touched. What carriers do wrong is
no deed of ours but their law (`carrying.py`), and bad links are the link's (`faults/bad_link.py`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from hodhod_loadtest.faults.killing import find_pid
from hodhod_loadtest.running.scene import Scene
from hodhod_loadtest.scenarios.model import AnyFault, BadLink, Kill, Outage, Pause, Restart

DEADLY: Final = {Kill: signal.SIGKILL, Restart: signal.SIGTERM}


class Faults:
    """The faults of one run."""

    def __init__(self, scene: Scene) -> None:
        self._faults = scene.scenario.faults
        self._data_dir = scene.server.data_dir
        self._processes = scene.processes
        self._recorder = scene.recorder
        self._link = scene.link

    async def run(self) -> None:
        """From second 0 on all of them at their times; ends with the last."""
        async with asyncio.TaskGroup() as tasks:
            for fault in self._faults:
                tasks.create_task(self._do(fault))

    async def _do(self, fault: AnyFault) -> None:
        await asyncio.sleep(max(0.0, fault.at_s - self._recorder.now_s()))
        match fault:
            case Kill() | Restart():
                await self._end(fault)
            case Pause():
                await self._pause(fault)
            case BadLink():
                await self._spoil(fault)
            case Outage():
                self._tell(f"{fault.whom} is {fault.how}")
                await asyncio.sleep(fault.for_s)
                self._tell(f"{fault.whom} works again")

    async def _end(self, fault: Kill | Restart) -> None:
        pid = self._find(fault.whom)
        if pid is None:
            return
        await asyncio.to_thread(self._processes.read)  # what it used until now is told as its own
        number = DEADLY[type(fault)]
        os.kill(pid, number)
        self._tell(f"{number.name} to {fault.whom}")

    async def _pause(self, fault: Pause) -> None:
        """With all below it: PostgreSQL's backends do the work."""
        pid = self._find(fault.whom)
        if pid is None:
            return
        pids = await asyncio.to_thread(self._processes.tree, pid)
        began_s = time.monotonic()
        for number in range(fault.times):
            await asyncio.sleep(max(0.0, began_s + number * fault.every_s - time.monotonic()))
            self._tell(f"{fault.whom} stands still")
            try:
                _signal(pids, signal.SIGSTOP)
                await asyncio.sleep(fault.for_s)
            finally:
                _signal(pids, signal.SIGCONT)
            self._tell(f"{fault.whom} goes on")

    async def _spoil(self, fault: BadLink) -> None:
        assert self._link is not None
        self._tell(f"the link is {fault.delay_ms:g} ms late, cut after {fault.cut_after_s} s")
        self._link.spoil(fault.delay_ms / 1000, fault.cut_after_s)
        await asyncio.sleep(fault.for_s)
        self._link.mend()
        self._tell("the link is good again")

    def _find(self, whom: str) -> int | None:
        """The process of this name or role; one that is not there is told of and left alone."""
        try:
            return find_pid(self._data_dir, whom)
        except StopIteration:
            self._tell(f"there is no process {whom}")
            return None

    def _tell(self, what: str) -> None:
        self._recorder.happened("fault", what)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # it ended meanwhile
