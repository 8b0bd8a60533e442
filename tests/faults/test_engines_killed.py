"""Valkey or PostgreSQL is killed under people who write: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.over_http import sign_up
from tests.raw_client import RawClient
from tests.running import RunningUp, running_up

RECOVERY_S = 20.0


@pytest.fixture(scope="module")
def up() -> Iterator[RunningUp]:
    """One server for the tests of this file: each leaves it recovered."""
    with running_up("--gateways", "2") as running:
        yield running


async def newcomers(up: RunningUp, *phones: str) -> list[tuple[int, str]]:
    """People with a user id and a token each."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{up.address}/.well-known/hodhod") as response:
            signup = (await response.json())["signup"]
        return [await sign_up(session, signup, phone) for phone in phones]


async def test_a_killed_valkey_costs_pushes_and_no_messages(up: RunningUp) -> None:
    (_, her_token), (reza, his_token) = await newcomers(up, "09120000001", "09120000002")
    async with (
        RawClient.open(up.role_address("gateway-0"), her_token) as hers,
        RawClient.open(up.role_address("gateway-1"), his_token) as his,
    ):
        chat = await hers.open_chat(reza)
        assert (await hers.send_text(chat, "پیش از آن"))["seq"] == 1
        assert (await his.push("event"))["event"]["seq"] == 1
        os.kill(up.find("valkey").pid, signal.SIGKILL)
        sent = [(await hers.send_text(chat, f"در میانه {number}"))["seq"] for number in range(20)]
        assert sent == list(range(2, 22))
        async with asyncio.timeout(RECOVERY_S):
            await his.push("resync")
        synced = await his.ask("sync", positions=[{"chat": chat, "seq": 1}])
        assert [event["seq"] for event in synced["chats"][0]["events"]] == sent
        his.pushes.clear()
        async with asyncio.timeout(RECOVERY_S):
            while not [frame for frame in his.pushes if frame["t"] == "event"]:
                await hers.send_text(chat, "پس از آن")
                await his.ask("ping")


async def test_a_killed_postgresql_loses_nothing_that_was_acknowledged(up: RunningUp) -> None:
    (sara, token), *_ = await newcomers(up, "09120000003")
    async with RawClient.open(up.role_address("gateway-0"), token) as hers:
        chat = await hers.open_chat(sara)
        acknowledged: dict[int, int] = {}
        refused = 0

        async def send(client_id: int) -> None:
            """Until it is durable, as a client does."""
            nonlocal refused
            while client_id not in acknowledged:
                answer = await hers.send_text(chat, str(client_id), client_id)
                if answer["t"] == "sent":
                    acknowledged[client_id] = answer["seq"]
                    continue
                assert answer["code"] in {"overloaded"}, answer
                refused += 1
                await asyncio.sleep(0.1)

        for client_id in range(1, 51):
            await send(client_id)
        os.kill(up.find("postgres").pid, signal.SIGKILL)
        async with asyncio.timeout(RECOVERY_S):
            for client_id in range(51, 101):
                await send(client_id)
        events: list[dict[str, Any]] = (await hers.ask("history", chat=chat, after=0, limit=200))[
            "events"
        ]
        assert refused
        assert {event["client_id"]: event["seq"] for event in events} == acknowledged
        assert [event["seq"] for event in events] == list(range(1, 101))
    assert '"frame.failed"' not in up.said()
