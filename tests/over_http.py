"""A newcomer's way through the door of a real server, as any client goes it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp

Map = dict[str, Any]


async def sign_up(session: aiohttp.ClientSession, signup: str, phone: str) -> tuple[int, str]:
    """A newcomer's whole way through the door; returns the user and an access token."""
    device = {"name": "test", "platform": "python"}
    wanted = {"phone": phone, "device": device}
    challenge = await _post(session, f"{signup}/v1/signup", wanted, 201)
    text = await _text(session, signup, phone)
    code = re.search(r"\d{6}", text)
    assert code is not None
    proof = {"secret": challenge["secret"], "code": code[0], "name": "آزمون"}
    url = f"{signup}/v1/signup/{challenge['id']}/verify"
    body = await _post(session, url, proof, 200)
    return body["user"], body["access_token"]


async def _text(session: aiohttp.ClientSession, signup: str, phone: str) -> str:
    """The newest text to a number; waits for the first."""
    for _ in range(1000):
        async with session.get(f"{signup}/dev/outbox", params={"phone": phone}) as response:
            texts = (await response.json()).get("texts")
        if texts:
            return str(texts[-1]["text"])
        await asyncio.sleep(0.02)
    raise TimeoutError("no text has come")


async def _post(session: aiohttp.ClientSession, url: str, body: Map, status: int) -> Map:
    """What is answered; a server that has no time now is asked again when it says."""
    while True:
        async with session.post(url, json=body) as response:
            answer: Map = await response.json()
        if response.status != 503:
            assert response.status == status, answer
            return answer
        await asyncio.sleep(answer["retry_after"])
