"""The fake's sign-up: one code for everybody, and tokens that the test can take away."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hodhod.testing._logs import Logs
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode

CODE: Final = "123456"
NEVER_MS: Final = 4_000_000_000_000  # in the year 2096
TRIES: Final = 5
SKEW_MS: Final = 300_000


class Device(NamedTuple):
    """Where somebody signed in."""

    id: int
    user: int
    key: str

    @property
    def public_key(self) -> Ed25519PublicKey:
        """Ed25519, 32 bytes."""
        return Ed25519PublicKey.from_public_bytes(_from_base64url(self.key))


class Doors:
    """Challenges and tokens."""

    def __init__(self, logs: Logs) -> None:
        self.access_tokens: dict[str, int] = {}
        """Token → user; what is taken out is rejected from then on."""
        self.refresh_tokens: dict[str, Device] = {}
        """Each works once."""
        self.devices: dict[int, Device] = {}
        """By id; what is taken out cannot return by its key."""
        self.time_ms: int | None = None
        """The time that signatures are held against; `None`: any will do."""
        self.access_expires_at = NEVER_MS
        """When the access tokens given from now on expire, in milliseconds since the epoch."""
        self.calls: list[str] = []
        """Paths that were called, oldest first."""
        self._logs = logs
        self._challenges: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        """What the sign-up role serves."""
        return [
            web.post("/v1/signup", self._start),
            web.get("/v1/signup/{id}", self._show),
            web.post("/v1/signup/{id}/next", self._show),
            web.post("/v1/signup/{id}/seen", self._show),
            web.post("/v1/signup/{id}/cancel", self._show),
            web.post("/v1/signup/{id}/verify", self._verify),
            web.post("/v1/sessions/refresh", self._refresh),
            web.post("/v1/sessions/device-key", self._return_by_key),
        ]

    def user_of(self, authorization: str) -> int | None:
        """Whom an `Authorization` header proves."""
        return self.access_tokens.get(authorization.removeprefix("Bearer "))

    async def _start(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        challenge = {"phone": digits(body["phone"]), "key": body["device"]["public_key"]}
        number = secrets.token_urlsafe(16)
        self._challenges[number] = challenge | {"tries": TRIES}
        return _json(self._standing(number) | {"secret": number}, status=201)

    async def _show(self, request: web.Request) -> web.Response:
        self.calls.append(request.path)
        return _json(self._standing(request.match_info["id"]))

    def _standing(self, number: str) -> dict[str, Any]:
        return {
            "id": number,
            "state": "sent",
            "channel": "sms",
            "sent_at": NEVER_MS - 600_000,
            "expires_at": NEVER_MS,
            "eta": None,
            "next": [{"channel": "sms", "at": NEVER_MS - 580_000}],
            "tries_left": self._challenges[number]["tries"],
            "code_length": len(CODE),
        }

    async def _verify(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        challenge = self._challenges[request.match_info["id"]]
        if body["code"] != CODE:
            challenge["tries"] -= 1
            return problem(ErrorCode.CODE_WRONG, 403, tries_left=challenge["tries"])
        try:
            user, is_new = self._logs.join(challenge["phone"], body.get("name"))
        except KeyError:
            return problem(ErrorCode.NAME_REQUIRED, 409)
        device = Device(len(self.devices) + 1, user, challenge["key"])
        self.devices[device.id] = device
        return self._admit(device, is_new=is_new)

    async def _refresh(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        device = self.refresh_tokens.pop(body["refresh_token"], None)
        if device is None:
            return problem(ErrorCode.REFRESH_TOKEN_INVALID, 401)
        return self._admit(device)

    async def _return_by_key(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        device = self.devices.get(body["device"])
        if device is None:
            return problem(ErrorCode.DEVICE_NOT_FOUND, 404)
        if self.time_ms is not None and abs(body["at"] - self.time_ms) > SKEW_MS:
            return problem(ErrorCode.CLOCK_SKEWED, 403, server_time=self.time_ms)
        try:
            signed = b"hodhod device-key v1\n%d\n%d" % (device.id, body["at"])
            device.public_key.verify(_from_base64url(body["signature"]), signed)
        except InvalidSignature:
            return problem(ErrorCode.SIGNATURE_INVALID, 403)
        return self._admit(device)

    def _admit(self, device: Device, *, is_new: bool = False) -> web.Response:
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.access_tokens[access] = device.user
        self.refresh_tokens[refresh] = device
        return _json(
            {
                "user": device.user,
                "device": device.id,
                "name": self._logs.names[device.user],
                "is_new": is_new,
                "access_token": access,
                "access_expires_at": self.access_expires_at,
                "refresh_token": refresh,
                "refresh_expires_at": NEVER_MS,
            }
        )

    async def _read(self, request: web.Request) -> dict[str, Any]:
        self.calls.append(request.path)
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        return body


def digits(phone: str) -> str:
    """What tells two numbers apart here: the last ten digits."""
    return "".join(character for character in phone if character.isdecimal())[-10:]


def problem(code: ErrorCode, status: int, **facts: int) -> web.Response:
    """A refusal as the server makes it."""
    text = ERROR_TEXTS[code]
    members = {"code": code, "title": text.en, "titles": {"en": text.en, "fa": text.fa}} | facts
    return web.Response(
        body=msgspec.json.encode(members), status=status, content_type="application/problem+json"
    )


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _json(members: dict[str, Any], *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(members)
    return web.Response(body=body, status=status, content_type="application/json")
