"""The sign-up edge as a newcomer's program uses it: refusals are values, and are obeyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import altcha

LONG_POLL_S: Final = 25
ANSWER_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Told:
    """A status and a body."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        """Of a problem document; "" otherwise."""
        return str(self.body.get("code", ""))

    @property
    def retry_after_s(self) -> float:
        """How long to stay away; 0 where nothing was said."""
        return float(self.body.get("retry_after") or 0.0)


class Door:
    """One address, many people. A connection that breaks is an answer with status 0."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self.requests = 0

    async def start(self, body: dict[str, Any], headers: dict[str, str]) -> Told:
        """Ask for a code."""
        return await self._ask("POST", "", json=body, headers=headers)

    async def follow(self, challenge: str, secret: str, after: int) -> Told:
        """How it stands once it stands otherwise than `after`."""
        query = {"after": str(after), "wait_s": str(LONG_POLL_S)}
        headers = {"Authorization": f"Bearer {secret}"}
        return await self._ask("GET", f"/{challenge}", params=query, headers=headers)

    async def another_way(self, challenge: str, secret: str, channel: str) -> Told:
        """Ask for the code on another channel."""
        body = {"secret": secret, "channel": channel}
        return await self._ask("POST", f"/{challenge}/next", json=body)

    async def verify(self, challenge: str, body: dict[str, Any], headers: dict[str, str]) -> Told:
        """Show the code."""
        return await self._ask("POST", f"/{challenge}/verify", json=body, headers=headers)

    async def _ask(self, method: str, path: str, **options: Any) -> Told:
        self.requests += 1
        try:
            async with self._http.request(
                method, f"{self._url}/v1/signup{path}", **options
            ) as response:
                return Told(response.status, await response.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return Told(0, {})


def solve(challenge: dict[str, Any]) -> str:
    """The proof of work for what was asked. A wave has the server ask for a single guess."""
    asked = altcha.Challenge.from_dict(challenge)
    found = altcha.solve_challenge(asked)
    if found is None:
        raise ValueError("no solution in time")
    return str(altcha.Payload(asked, found).to_base64())


def http_client() -> aiohttp.ClientSession:
    """Connections without a bound: every newcomer has their own while they wait."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout)
