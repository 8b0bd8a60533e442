"""The sign-up edge as a newcomer's program uses it: refusals are values, and are obeyed.

Each step exists twice: as a coroutine, and as a future for who does several things at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import altcha
import msgspec

from hodhod_loadtest.http.client import ANSWER_S, Client
from hodhod_loadtest.http.messages import Message

LONG_POLL_S: Final = 25
_OF_JSON: Final = b"Content-Type: application/json\r\n"


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

    def __init__(self, http: Client, url: str) -> None:
        self._peer = http.peer(url)
        self._path = f"{urlsplit(url).path.rstrip('/')}/v1/signup".encode()
        self._host = b"Host: %b\r\n" % self._peer.host
        self.requests = 0

    async def start(self, body: dict[str, Any], headers: dict[str, str]) -> Told:
        """Ask for a code."""
        return read(await self._post(b"", body, headers))

    async def follow(self, challenge: str, secret: str, after: int) -> Told:
        """How it stands once it stands otherwise than `after`."""
        return read(await self.following(challenge, secret, after))

    async def another_way(self, challenge: str, secret: str, channel: str) -> Told:
        """Ask for the code on another channel."""
        return read(await self.choosing(challenge, secret, channel))

    async def verify(self, challenge: str, body: dict[str, Any], headers: dict[str, str]) -> Told:
        """Show the code."""
        return read(await self.verifying(challenge, body, headers))

    def following(self, challenge: str, secret: str, after: int) -> asyncio.Future[Message]:
        """`follow`, to be read later."""
        self.requests += 1
        return self._peer.ask(
            b"GET %b/%b?after=%d&wait_s=%d HTTP/1.1\r\n%bAuthorization: Bearer %b\r\n\r\n"
            % (
                self._path,
                challenge.encode(),
                after,
                LONG_POLL_S,
                self._host,
                secret.encode(),
            )
        )

    def choosing(self, challenge: str, secret: str, channel: str) -> asyncio.Future[Message]:
        """`another_way`, to be read later."""
        body = {"secret": secret, "channel": channel}
        return self._post(b"/%b/next" % challenge.encode(), body, {})

    def verifying(
        self, challenge: str, body: dict[str, Any], headers: Mapping[str, str]
    ) -> asyncio.Future[Message]:
        """`verify`, to be read later."""
        return self._post(b"/%b/verify" % challenge.encode(), body, headers)

    def _post(
        self, path: bytes, body: dict[str, Any], headers: Mapping[str, str]
    ) -> asyncio.Future[Message]:
        self.requests += 1
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        content = msgspec.json.encode(body)
        return self._peer.ask(
            b"POST %b%b HTTP/1.1\r\n%b%b%bContent-Length: %d\r\n\r\n%b"
            % (self._path, path, self._host, _OF_JSON, more, len(content), content),
            ANSWER_S,
        )


def read(message: Message) -> Told:
    """What an answer says; one without JSON says nothing, as a connection that broke."""
    try:
        return Told(message.status, msgspec.json.decode(message.body, type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Told(0, {})


def solve(challenge: dict[str, Any]) -> str:
    """The proof of work for what was asked. A wave has the server ask for a single guess."""
    asked = altcha.Challenge.from_dict(challenge)
    found = altcha.solve_challenge(asked)
    if found is None:
        raise ValueError("no solution in time")
    return str(altcha.Payload(asked, found).to_base64())


def http_client() -> Client:
    """Connections without a bound: every newcomer has their own while they wait."""
    return Client()
