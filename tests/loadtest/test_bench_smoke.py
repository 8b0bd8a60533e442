"""One measure, very small, on a real server: the whole way from sign-up to the files it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hodhod_loadtest.bench import suite
from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.bench.measure_groups import FANOUT
from hodhod_loadtest.bench.measure_growth import CHATS, HISTORY
from hodhod_loadtest.bench.measure_steps import COST
from hodhod_loadtest.bench.target import Plan
from tests import running

NAME = "durable_msgs_per_server_cpu_s"


def test_a_tiny_measure_counts_messages_and_the_cpu_of_the_whole_server(
    tmp_path: Path,
) -> None:
    kept_bytecode = {**running.environment(), "PYTHONDONTWRITEBYTECODE": ""}
    plan = Plan(runs=1, seconds=0.4, warm_up_s=0.1, pairs=2, environment=kept_bytecode)
    outcome = suite.run(plan, only=[NAME])
    assert outcome.left_out == []
    beside = suite.write(outcome, plan, environment(), tmp_path / "bench.json")

    [told] = json.loads((tmp_path / "bench.json").read_text())
    assert (told["name"], told["better"], len(told["detail"]["runs"])) == (NAME, "higher", 1)
    [run] = told["detail"]["by_run"]
    by_role = run["server_cpu_s_by_role"]
    assert {"supervisor", "gateway", "signup", "media", "worker", "postgres", "valkey"} == {
        *by_role
    }
    assert by_role["gateway"] > 0
    assert by_role["postgres"] > 0, "backends are children of the postmaster"
    about = json.loads(beside.read_text())
    assert {"commit", "cpu", "cores", "python", "kernel", "left_out"} <= set(about)


@pytest.mark.timeout(300)  # six servers, one after another
def test_tiny_crowds_growth_and_steps_are_measured_too(tmp_path: Path) -> None:
    plan = Plan(
        runs=1,
        seconds=0.4,
        warm_up_s=0.1,
        pairs=2,
        group_online=4,
        grown_messages=(10, 20),
        grown_chats=(10, 20),
        environment={**running.environment(), "PYTHONDONTWRITEBYTECODE": ""},
    )
    outcome = suite.run(plan, only=[FANOUT, HISTORY, CHATS, COST])
    assert outcome.left_out == []
    suite.write(outcome, plan, environment(), tmp_path / "bench.json")
    told = {one["name"]: one for one in json.loads((tmp_path / "bench.json").read_text())}
    assert told[FANOUT]["detail"]["listeners"] == 3
    assert [point["size"] for point in told[HISTORY]["detail"]["series"]] == [10, 20]
    assert told[CHATS]["value"] > 0
    assert any(step.startswith("gateway: ") for step in told[COST]["detail"]["steps"])
