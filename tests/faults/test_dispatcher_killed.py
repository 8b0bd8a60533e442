"""The sign-up process is killed while people wait for their codes: nobody is forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import aiohttp

from hodhod_server.domain.keys import base64url
from tests.running import RunningUp, running_up
from tests.sizes import sized

PEOPLE = sized(100, 200)


async def _start(session: aiohttp.ClientSession, url: str, number: int) -> dict[str, Any]:
    """A challenge that somebody was told of, however often they had to ask."""
    device = {"name": "test", "platform": "python", "public_key": base64url(number.to_bytes(32))}
    wanted = {"phone": f"0912{number * 10_007:07}", "device": device}
    while True:
        try:
            async with session.post(f"{url}/v1/signup", json=wanted) as response:
                answer: dict[str, Any] = await response.json()
                if response.status == 201:
                    return answer
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.2)


async def _is_sent(session: aiohttp.ClientSession, url: str, challenge: dict[str, Any]) -> bool:
    headers = {"Authorization": f"Bearer {challenge['secret']}"}
    try:
        async with session.get(f"{url}/v1/signup/{challenge['id']}", headers=headers) as response:
            return bool((await response.json()).get("state") == "sent")
    except aiohttp.ClientError:
        return False


async def _all_sent(
    session: aiohttp.ClientSession, up: RunningUp, told: list[dict[str, Any]]
) -> None:
    url = up.role_address("signup")
    waiting = list(told)
    async with asyncio.timeout(40):
        while waiting:
            waiting = [item for item in waiting if not await _is_sent(session, url, item)]
            await asyncio.sleep(0.1)


async def test_after_kill_9_every_code_that_somebody_was_told_of_leaves() -> None:
    with running_up() as up:
        url = up.role_address("signup")
        async with aiohttp.ClientSession() as session:
            async with asyncio.TaskGroup() as tasks:
                starts = [
                    tasks.create_task(_start(session, url, number)) for number in range(PEOPLE)
                ]
                for start in starts[: PEOPLE // 4]:
                    await start
                os.kill(up.find("signup").pid, signal.SIGKILL)
            await _all_sent(session, up, [start.result() for start in starts])
