"""What one who is connected weighs on the generator's side; prints KiB. A process of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path
from typing import Final

import uvloop

from hodhod_loadtest.bench.connection import Connection, Door

AT_ONCE: Final = 64


class Unmoved:
    """A listener to whom nothing is said."""

    def sent(self, ref: int) -> None: ...

    def received(self, client_id: int) -> None: ...

    def refused(self, ref: int, code: str) -> None: ...

    def ended(self, why: str) -> None: ...


async def weigh(door: Door, count: int) -> float:
    """So many after a tenth of as many, which pay for what all share."""
    listener = Unmoved()
    people = await _connect(door, listener, count // 10)
    before_kib = resident_kib()
    people += await _connect(door, listener, count)
    each_kib = (resident_kib() - before_kib) / count
    for person in people:
        person.hang_up()
    return each_kib


async def _connect(door: Door, listener: Unmoved, count: int) -> list[Connection]:
    people: list[Connection] = []
    for number in range(0, count, AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            opening = [
                tasks.create_task(Connection.open(door, f"{number + place:060}", listener))
                for place in range(min(AT_ONCE, count - number))
            ]
        people += [task.result() for task in opening]
    gc.collect()
    return people


def resident_kib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


if __name__ == "__main__":
    port, people_count = int(sys.argv[1]), int(sys.argv[2])
    told_kib = uvloop.run(weigh(Door("127.0.0.1", port, "/"), people_count))
    sys.stdout.write(f"{told_kib}\n")
