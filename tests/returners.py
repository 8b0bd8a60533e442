"""People who come back, and what they ask for once they are inside."""

from __future__ import annotations

from typing import Any

from tests.newcomers import Answer, Door, Newcomer, ask


async def inside(gate: Door, session: Answer, method: str, path: str, **body: Any) -> Answer:
    """A request with the session's access token."""
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    options = {"json": body} if body or method in {"POST", "PUT"} else {}
    return await ask(gate, method, path, headers=headers, **options)


async def set_pin(gate: Door, session: Answer, pin: str = "2468") -> None:
    assert (await inside(gate, session, "PUT", "/v1/me/pin", pin=pin)).status == 200


async def recovery_key(gate: Door, session: Answer) -> str:
    """The key that the server made."""
    answer = await inside(gate, session, "POST", "/v1/me/recovery-key")
    assert answer.status == 201, answer
    key: str = answer["key"]
    return key


async def by_recovery_key(door: Door, returner: Newcomer, key: str, **more: Any) -> Answer:
    body = {"phone": returner.phone, "key": key, "device": returner.device, **more}
    return await ask(door, "POST", "/v1/sessions/recovery-key", json=body)


async def by_tokens(door: Door, returner: Newcomer, tokens: list[str], **more: Any) -> Answer:
    body = {"phone": returner.phone, "tokens": tokens, "device": returner.device, **more}
    return await ask(door, "POST", "/v1/sessions/return-token", json=body)


async def prove(returner: Newcomer, **more: Any) -> Answer:
    """Show the newest code of the running challenge, and what is asked besides."""
    body = {"secret": returner.secret, "code": await returner.code(), **more}
    return await ask(returner.door, "POST", f"/v1/signup/{returner.id}/verify", json=body)
