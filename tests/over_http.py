"""A newcomer's way through the door of a real server, as any client goes it."""

from __future__ import annotations

import re

import aiohttp


async def sign_up(session: aiohttp.ClientSession, signup: str, phone: str) -> tuple[int, str]:
    """A newcomer's whole way through the door; returns the user and an access token."""
    device = {"name": "test", "platform": "python"}
    wanted = {"phone": phone, "device": device}
    async with session.post(f"{signup}/v1/signup", json=wanted) as response:
        challenge = await response.json()
        assert response.status == 201, challenge
    async with session.get(f"{signup}/dev/outbox", params={"phone": phone}) as response:
        text = (await response.json())["texts"][-1]["text"]
    code = re.search(r"\d{6}", text)
    assert code is not None
    proof = {"secret": challenge["secret"], "code": code[0], "name": "آزمون"}
    url = f"{signup}/v1/signup/{challenge['id']}/verify"
    async with session.post(url, json=proof) as response:
        body = await response.json()
        assert response.status == 200, body
        return body["user"], body["access_token"]
