"""People at the door: they ask for codes, read their texts and come back, all over HTTP."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.keys import base64url
from tests.clock import FakeClock

Door = TestClient[web.Request, web.Application]


class Answer:
    """A status and a JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.body = body

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and (other.status, other.body) == (self.status, self.body)

    def __hash__(self) -> int:
        return hash(self.status)

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"

    @property
    def refusal(self) -> tuple[int, str]:
        """What a program branches on."""
        return self.status, self.body["code"]


async def ask(door: Door, method: str, path: str, **options: Any) -> Answer:
    """One request. The door always answers with JSON."""
    async with door.request(method, path, **options) as response:
        return Answer(response.status, await response.json(content_type=None))


def some_phone() -> str:
    """A number of this test's own."""
    return f"+98912{secrets.randbelow(10**7):07}"


class Newcomer:
    """Somebody with a phone and, unless told otherwise, a device key."""

    def __init__(self, door: Door, clock: FakeClock, phone: str = "") -> None:
        self.door = door
        self.clock = clock
        self.phone = phone or some_phone()
        self.key: Ed25519PrivateKey | None = Ed25519PrivateKey.generate()
        self.locale = "fa"
        self.extra: dict[str, Any] = {}
        self.id = ""
        self.secret = ""

    @property
    def device(self) -> dict[str, Any]:
        description = {"name": "Pixel 9", "platform": "android"}
        if self.key is not None:
            description["public_key"] = base64url(self.key.public_key().public_bytes_raw())
        return description

    async def start(self) -> Answer:
        body = {"phone": self.phone, "locale": self.locale, "device": self.device} | self.extra
        answer = await ask(self.door, "POST", "/v1/signup", json=body)
        if answer.status == 201:
            self.id, self.secret = answer["id"], answer["secret"]
        return answer

    async def start_and_wait(self) -> Answer:
        """Ask for a code and stay until it is handed over."""
        answer = await self.start()
        return await self.wait_for("sent") if answer.body.get("state") == "queued" else answer

    async def status(self, after: int | None = None, wait_s: int | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.secret}"}
        params = {"after": after, "wait_s": wait_s}
        given = {name: value for name, value in params.items() if value is not None}
        path = f"/v1/signup/{self.id}"
        return await ask(self.door, "GET", path, headers=headers, params=given)

    async def wait_for(self, state: str) -> Answer:
        """The status once it says this."""
        return await self.until("state", lambda told: bool(told == state))

    async def until(self, name: str, is_so: Callable[[Any], bool]) -> Answer:
        """The status once this member of it is so."""
        for _ in range(500):
            answer = await self.status()
            if is_so(answer[name]):
                return answer
            await asyncio.sleep(0.01)
        raise TimeoutError(answer)

    async def send_again(self, channel: str = "sms") -> Answer:
        body = {"secret": self.secret, "channel": channel}
        return await ask(self.door, "POST", f"/v1/signup/{self.id}/next", json=body)

    async def tell(self, what: str) -> Answer:
        """`seen` or `cancel`."""
        path = f"/v1/signup/{self.id}/{what}"
        return await ask(self.door, "POST", path, json={"secret": self.secret})

    async def verify(self, code: str | None, name: str | None = "سارا") -> Answer:
        body = {"secret": self.secret, "code": code, "name": name}
        return await ask(self.door, "POST", f"/v1/signup/{self.id}/verify", json=body)

    async def texts(self, count: int = 0) -> list[str]:
        """What has come so far; waits for so many."""
        for _ in range(500):
            answer = await ask(self.door, "GET", "/dev/outbox", params={"phone": self.phone})
            if len(answer["texts"]) >= count:
                break
            await asyncio.sleep(0.01)
        return [item["text"] for item in answer["texts"]]

    async def codes(self) -> list[str]:
        """The codes of all texts, oldest first."""
        return [found for text in await self.texts() for found in re.findall(r"[0-9]{6}", text)]

    async def code(self) -> str:
        """The newest code; waits for the first of the running challenge."""
        if self.id:
            await self.until("sent_at", lambda told: told is not None)
        await self.texts(1)
        return (await self.codes())[-1]

    async def wrong_code(self) -> str:
        """Six digits that no text has shown."""
        shown = await self.codes()
        return next(code for code in ("000000", "000001", "000002") if code not in shown)

    async def try_wrong(self, times: int = 5) -> list[Answer]:
        """Wrong codes, each after the time that is asked for between them."""
        wrong, answers = await self.wrong_code(), []
        for _ in range(times):
            answers.append(await self.verify(wrong))
            self.clock.advance(30)
        return answers

    async def sign_up(self, name: str = "سارا") -> Answer:
        """The whole way, which must succeed."""
        assert (await self.start_and_wait())["state"] == "sent"
        session = await self.verify(await self.code(), name)
        assert session.status == 200, session
        return session

    def signed_return(self, device: int, at_ms: int | None = None) -> dict[str, Any]:
        """The body of a return by device key, signed now unless told otherwise."""
        assert self.key is not None
        at = to_ms(self.clock.now()) if at_ms is None else at_ms
        signature = self.key.sign(b"hodhod device-key v1\n%d\n%d" % (device, at))
        return {"device": device, "at": at, "signature": base64url(signature)}

    async def return_by_key(self, device: int, at_ms: int | None = None) -> Answer:
        body = self.signed_return(device, at_ms)
        return await ask(self.door, "POST", "/v1/sessions/device-key", json=body)


async def refresh(door: Door, token: str) -> Answer:
    """Rotate a refresh token."""
    return await ask(door, "POST", "/v1/sessions/refresh", json={"refresh_token": token})
