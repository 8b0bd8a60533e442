"""Oneself, one's devices, and what one may see of others."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import DeviceId
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.web.bodies import answer, path_id, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint


class Me(msgspec.Struct, frozen=True):
    """The caller's own account. The phone is shown to nobody else; empty: there is none now."""

    user: int
    name: str
    phone: str


class Rename(msgspec.Struct, frozen=True):
    """A new name."""

    name: str


class Person(msgspec.Struct, frozen=True):
    """Somebody, as others see them."""

    user: int
    name: str


class DeviceView(msgspec.Struct, frozen=True):
    """One of the caller's signed-in devices. Times in ms since the epoch."""

    device: int
    name: str
    platform: str
    created_at: int
    last_seen_at: int
    is_current: bool
    held_until: int | None = None


class DeviceList(msgspec.Struct, frozen=True):
    """The caller's signed-in devices."""

    devices: list[DeviceView]


class Done(msgspec.Struct, frozen=True):
    """Nothing to tell but that it is done."""


async def get_me(request: web.Request) -> web.Response:
    """The caller's account."""
    user, phone = await request.app[INSIDE].accounts.me(caller(request))
    return answer(Me(user.user, user.name, "" if phone is None else phone.e164))


async def patch_me(request: web.Request) -> web.Response:
    """Change the caller's name."""
    asker = caller(request)
    wanted = await read(request, Rename)
    user, phone = await request.app[INSIDE].accounts.rename(asker, wanted.name)
    return answer(Me(user.user, user.name, "" if phone is None else phone.e164))


async def get_user(request: web.Request) -> web.Response:
    """Somebody's public face."""
    caller(request)
    user = await request.app[INSIDE].accounts.get(path_id(request, "user"))
    return answer(Person(user.user, user.name))


async def list_devices(request: web.Request) -> web.Response:
    """Where the caller is signed in."""
    asker = caller(request)
    devices = await request.app[INSIDE].sessions.list_devices(asker)
    return answer(
        DeviceList(
            [
                DeviceView(
                    item.device,
                    item.name,
                    item.platform,
                    to_ms(item.created_at),
                    to_ms(item.last_seen_at),
                    item.device == asker.device,
                    None if item.held_until is None else to_ms(item.held_until),
                )
                for item in devices
            ]
        )
    )


async def delete_device(request: web.Request) -> web.Response:
    """End a session; the caller's own is signing out."""
    asker = caller(request)
    await request.app[INSIDE].sessions.end(asker, DeviceId(path_id(request, "device")))
    return answer(Done())


ENDPOINTS: Final = (
    Endpoint(
        method="GET", path="/v1/me", handler=get_me, summary="The caller's account.", gives=Me
    ),
    Endpoint(
        method="PATCH",
        path="/v1/me",
        handler=patch_me,
        summary="Change the caller's name.",
        takes=Rename,
        gives=Me,
    ),
    Endpoint(
        method="GET",
        path="/v1/users/{user}",
        handler=get_user,
        summary="Somebody's public face.",
        gives=Person,
    ),
    Endpoint(
        method="GET",
        path="/v1/devices",
        handler=list_devices,
        summary="Where the caller is signed in.",
        gives=DeviceList,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/devices/{device}",
        handler=delete_device,
        summary="End a session; one's own is signing out.",
        gives=Done,
    ),
)
