"""`hodhod up` keeps its promises: ready when it says so, alive through deaths, gone when told."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest
from click.testing import CliRunner

from hodhod_server.cli.commands import hodhod
from tests.engine_pool import temporary_data_dir
from tests.running import (
    START_S,
    STOP_S,
    RunningUp,
    get_status,
    hodhod_command,
    is_gone,
    launch_up,
    running_up,
    start_up,
    wait_until,
)

ROLES = ("gateway-0", "gateway-1", "signup", "media", "worker")


@pytest.fixture(scope="module")
def up() -> Iterator[RunningUp]:
    """One server for the tests that leave it as it was."""
    with running_up("--gateways", "2") as running:
        yield running


def test_it_prints_one_line_on_stdout_when_every_role_accepts(up: RunningUp) -> None:
    assert up.said_ready() == f"ready {up.processes().address}\n"
    assert get_status(f"{up.address}/ready") == 200
    for name in ROLES:
        assert get_status(f"{up.role_address(name)}/ready") == 200, name


def test_stderr_tells_where_codes_appear(up: RunningUp) -> None:
    assert f"{up.role_address('signup')}/dev/outbox?phone=" in up.said()


def test_the_ports_of_all_roles_follow_from_one(up: RunningUp) -> None:
    first = int(up.address.rpartition(":")[2])
    ports = {process.name: process.port - first for process in up.processes().processes}
    assert [ports[name] for name in ROLES] == [10, 11, 1, 2, 3]


def turn_ns(pid: int) -> int:
    """Of a process, by sched_getattr(2); 0 where the kernel has none to choose."""
    attributes = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[platform.machine()]
    assert ctypes.CDLL(None).syscall(number, pid, attributes, len(attributes), 0) == 0
    return int.from_bytes(attributes.raw[24:32], sys.byteorder)


@pytest.mark.skipif(sys.platform != "linux", reason="turns are Linux's")
def test_what_carries_messages_goes_first(up: RunningUp) -> None:
    turns = {name: turn_ns(up.find(name).pid) for name in (*ROLES, "postgres", "valkey")}
    usual = turn_ns(0)
    quick = [name for name, turn in turns.items() if turn < usual]
    assert sorted(quick) == (["gateway-0", "gateway-1", "postgres", "valkey"] if usual else [])


def test_keys_and_files_are_for_their_owner_only(up: RunningUp) -> None:
    assert (up.data_dir / "media").stat().st_mode & 0o777 == 0o700
    key = up.data_dir / "master.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(key.read_bytes().strip()) >= 32


def test_a_second_one_on_the_same_data_dir_is_refused_with_a_sentence(up: RunningUp) -> None:
    refused = hodhod_command("up", "--port", "0", "--data-dir", str(up.data_dir))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert f"in use by another `hodhod up`, pid {up.process.pid}" in refused.stderr


def test_a_port_in_use_is_refused_with_a_sentence(up: RunningUp) -> None:
    port = up.address.rpartition(":")[2]
    with temporary_data_dir() as data_dir:
        refused = hodhod_command("up", "--port", port, "--data-dir", str(data_dir))
    assert refused.returncode == 1
    assert f"port {port} of 127.0.0.1 is in use" in refused.stderr


def test_migrate_status_finds_the_database_of_a_running_server(up: RunningUp) -> None:
    shown = CliRunner().invoke(hodhod, ["migrate", "status", f"--data-dir={up.data_dir}", "--json"])
    listed = json.loads(shown.stdout)
    assert listed[0]["name"] == "0001_pre_accounts.sql"
    assert all(migration["applied"] for migration in listed)


@pytest.mark.parametrize("name", ["signup", "gateway-1", "valkey", "postgres"])
def test_a_process_that_is_killed_comes_back_and_it_is_said(up: RunningUp, name: str) -> None:
    killed = up.find(name).pid
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: up.find(name).pid not in (0, killed))
    wait_until(lambda: all(get_status(f"{up.role_address(role)}/ready") == 200 for role in ROLES))
    wait_until(lambda: _told(up, name) == ["child.died", "child.restarted"])


def _told(up: RunningUp, name: str) -> list[str]:
    """The events about one child, in order."""
    events = [json.loads(line) for line in up.said().splitlines() if line.startswith("{")]
    return [line["event"] for line in events if line.get("child") == name]


def test_a_killed_supervisor_takes_all_along_and_the_next_start_works(up: RunningUp) -> None:
    tree = up.tree()
    up.process.kill()
    up.process.wait()
    wait_until(lambda: all(is_gone(process) for process in tree))

    running = start_up(up.data_dir, "--gateways", "1")
    assert get_status(f"{running.address}/ready") == 200
    tree = running.tree()
    assert len(tree) >= 7
    assert running.stop() < STOP_S
    assert running.process.returncode == 0
    assert [process for process in tree if not is_gone(process)] == []
    left = {path.name for path in up.data_dir.iterdir()}
    assert left.isdisjoint({"processes.json", "sockets"})


def test_ctrl_c_while_it_starts_stops_everything() -> None:
    with temporary_data_dir() as data_dir:
        process = launch_up(data_dir)
        wait_until(lambda: (data_dir / "sockets").exists(), START_S)
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0
        assert [child for child in tree if not is_gone(child)] == []
        assert not (data_dir / "sockets").exists()
