"""Our worker under a real Locust master: its CSV counts exactly what was done, the end included."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
import zmq.asyncio

from hodhod_loadtest.bench.connection import Door as Gateways
from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line as Carrier
from hodhod_loadtest.carriers.street import open_street
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.locusts import tally as tallies
from hodhod_loadtest.locusts.chatters import Chatters
from hodhod_loadtest.locusts.command import LOCUSTFILE
from hodhod_loadtest.locusts.newcomers import Newcomers
from hodhod_loadtest.locusts.protocol import Line
from hodhod_loadtest.locusts.tally import Tally
from hodhod_loadtest.locusts.worker import Worker, join
from hodhod_loadtest.signups.door import Door
from hodhod_loadtest.signups.journey import Surroundings
from hodhod_server.domain.clock import SystemClock
from tests import running
from tests.chat_stub import ChatStub, chat_stub
from tests.eventually import eventually
from tests.free_ports import free_port

COMMAND = (sys.executable, "-c", "from hodhod_loadtest.cli import main; main()")
DONE_S = 40.0


@pytest.mark.parametrize(
    ("milliseconds", "kept"),
    [(0.2, 0), (99.4, 99), (99.6, 100), (147.0, 150), (3432.0, 3400), (58760.0, 59000)],
)
def test_latencies_are_rounded_as_a_master_keeps_them(milliseconds: float, kept: int) -> None:
    assert tallies.rounded(milliseconds) == kept


def test_reports_of_a_tally_add_up_to_what_was_noted() -> None:
    class Ticking:
        at = datetime(2026, 3, 21, tzinfo=UTC)

        def now(self) -> datetime:
            self.at += timedelta(seconds=0.3)
            return self.at

    tally, reports = Tally(Ticking()), []
    for number in range(40):
        error = "refused: overloaded" if number % 10 == 0 else None
        tally.note("WS", f"message {number % 2}", number / 100, 7, error)
        if number in (3, 4, 25):
            reports.append(tally.report())
    reports += [tally.report(), tally.report()]

    totals = [report["stats_total"] for report in reports]
    for counts in ("response_times", "num_reqs_per_sec"):
        assert sum(sum(total[counts].values()) for total in totals) == 40
    assert sum(total["total_content_length"] for total in totals) == 280
    assert sum(sum(total["num_fail_per_sec"].values()) for total in totals) == 4
    entries = [entry for report in reports for entry in report["stats"]]
    assert sum(entry["num_requests"] for entry in entries) == 40
    assert sum(entry["total_response_time"] for entry in entries) == pytest.approx(7800)
    keys = {key for report in reports for key in report["errors"]}
    assert len(keys) == 1, "a master adds up the same trouble by its key"
    assert reports[-1]["stats"] == []


def people_file(path: Path, first: int, count: int) -> Path:
    persons = [{"user": user, "token": str(user)} for user in range(first, first + count)]
    path.write_text("\n".join(json.dumps(person) for person in persons))
    return path


async def test_a_real_master_counts_exactly_what_two_workers_did(tmp_path: Path) -> None:
    port = free_port()
    master = (
        *(sys.executable, "-m", "locust", "--master", "--headless", "-f", str(LOCUSTFILE)),
        *("--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)),
        *("--expect-workers", "2", "--users", "20", "--spawn-rate", "20", "--run-time", "3s"),
        *("--csv", str(tmp_path / "told"), "--html", str(tmp_path / "told.html")),
        "--only-summary",
    )
    async with chat_stub() as stub:
        workers = [
            await asyncio.create_subprocess_exec(
                *(*COMMAND, "locust-worker", "--master-port", str(port), "--target", stub.url),
                *("--people", str(people_file(tmp_path / f"{first}.jsonl", first, 15))),
                *("--message-every", "0.1", "--seed", "7", "--json"),
                stdout=asyncio.subprocess.PIPE,
                env=running.environment(),
            )
            for first in (100, 200)
        ]
        leading = await asyncio.create_subprocess_exec(
            *master,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=running.environment(),
        )
        async with asyncio.timeout(DONE_S):
            said = (await leading.communicate())[0].decode()
            told = [json.loads((await worker.communicate())[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert "2 workers connected" in said

    done: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for each in told:
        assert each["requests"]["WS message"] > 100, "both of them worked"
        done.update(each["requests"])
        failed.update(each["failures"])
    rows = {f"{row['Type']} {row['Name']}".strip(): row for row in read(tmp_path, "stats")}
    assert {name: int(rows[name]["Request Count"]) for name in done} == done
    assert {name: int(rows[name]["Failure Count"]) for name in failed} == failed
    assert int(rows["Aggregated"]["Request Count"]) == done.total()
    assert 0 < float(rows["WS message"]["50%"]) < 1000

    assert done["WS message"] == stub.sends
    assert done["WS connect"] == stub.connects == 20, "18 of 20 by weight, and a reader for each"
    refused = {row["Name"]: int(row["Occurrences"]) for row in read(tmp_path, "failures")}
    assert refused == {"message": stub.refusals, "acknowledged": stub.refusals}
    assert "refused: overloaded" in (tmp_path / "told.html").read_text()
    complaints = {row["Message"] for row in read(tmp_path, "exceptions")}
    assert "this worker cannot play Newcomer" in complaints


def read(folder: Path, what: str) -> list[dict[str, str]]:
    with (folder / f"told_{what}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class Master:
    """The least of a master: what it hears, and what it can say."""

    def __init__(self, socket: zmq.asyncio.Socket) -> None:
        self._socket = socket
        self.node = b""
        self.reports: list[dict[str, Any]] = []

    async def hear(self, kind: str) -> Any:
        """The next of this kind; reports on the way are kept."""
        async with asyncio.timeout(DONE_S):
            while True:
                self.node, payload = await self._socket.recv_multipart()
                told, data, node = msgpack.unpackb(payload, strict_map_key=False)
                assert node.encode() == self.node
                if told == "stats":
                    self.reports.append(data)
                if told == kind:
                    return data

    async def say(self, kind: str, data: object = None) -> None:
        message = msgpack.packb([kind, data, self.node.decode()])
        await self._socket.send_multipart([self.node, message])

    async def spawn(self, at: float, **counts: int) -> None:
        await self.say("spawn", {"timestamp": at, "user_classes_count": counts})

    def count(self, name: str) -> int:
        """How often, in all reports so far."""
        entries = [entry for report in self.reports for entry in report["stats"]]
        return sum(entry["num_requests"] for entry in entries if entry["name"] == name)


@contextlib.asynccontextmanager
async def a_master() -> AsyncIterator[tuple[Master, Line]]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.ROUTER)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    line = Line("127.0.0.1", port)
    try:
        yield Master(socket), line
    finally:
        line.close()
        socket.close(linger=0)
        context.term()


@contextlib.asynccontextmanager
async def a_cast(tally: Tally) -> AsyncIterator[tuple[ChatStub, Chatters, Newcomers]]:
    clock, users = SystemClock(), iter(range(1, 100))
    law = Law(median_s=0.01, slow=0.0, lost=0.0)

    async def next_person() -> Person:
        user = next(users)
        return Person(user, str(user))

    carrier = Carrier(name="first", kind="kavenegar", law=law)
    async with (
        open_street([carrier], 1) as street,
        Client() as client,
        chat_stub(f"http://127.0.0.1:{street.port}") as stub,
    ):
        gateways = Gateways("127.0.0.1", stub.gateway, "/v1/ws")
        chatters = Chatters(gateways, next_person, tally, clock, random.Random(1))
        chatters.per_s = 50.0
        around = Surroundings(
            door=Door(client, stub.url), handsets=street.handsets,
            hear=street.hear, typing_s=(0.0, 0.05),
        )  # fmt: skip
        yield stub, chatters, Newcomers(around, tally, 20.0, seed=1)


async def test_a_worker_obeys_stops_begins_again_and_tells_the_last_window() -> None:
    tally = Tally(SystemClock())
    async with (
        a_master() as (master, line),
        a_cast(tally) as (stub, chatters, newcomers),
        asyncio.TaskGroup() as tasks,
    ):
        joining = tasks.create_task(join(line))
        assert await master.hear("client_ready") == -1
        await master.say("ack", {"index": 4})
        assert await joining == 4
        worker = Worker(line, tally, {"Chatter": chatters, "Newcomer": newcomers})
        working = tasks.create_task(worker.work())

        await master.spawn(2.0, Chatter=6, Newcomer=2, Unheard=3)
        told = await master.hear("spawning_complete")
        assert told["user_classes_count"] == {"Chatter": 6, "Newcomer": 2}
        await master.spawn(1.0, Chatter=1)  # overtaken on the way
        await asyncio.sleep(1.0)
        await master.spawn(3.0, Chatter=4, Newcomer=2)
        told = await master.hear("spawning_complete")
        assert told["user_count"] == 6
        assert (await master.hear("heartbeat"))["state"] == "running"
        await master.say("stop")
        await master.hear("client_stopped")
        assert master.count("message") == stub.sends > 100
        assert master.count("sign-up") > 10
        assert await master.hear("client_ready") == -1

        before = stub.sends
        await master.spawn(4.0, Chatter=2)
        await master.hear("spawning_complete")
        await eventually(lambda: stub.sends >= before + 20)
        await master.say("quit")
        await master.hear("quit")
        assert master.count("message") == stub.sends
        await working
    assert master.reports[-1]["user_count"] == 0
    assert tally.totals["WS message"] == stub.sends
