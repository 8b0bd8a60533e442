"""JSON bodies: in, checked once into a struct; out, from a struct."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import from_ms
from hodhod_server.domain.errors import Malformed, UnsupportedMediaType

T = TypeVar("T", bound=msgspec.Struct)
NUMBER_DIGITS_MAX: Final = 16  # as many as 2**53 has
BODY_BYTES_MAX: Final = 64 * 1024  # as a frame: the same content travels both ways


async def read(request: web.Request, shape: type[T]) -> T:
    """The body as `shape`. Raises `UnsupportedMediaType`, `Malformed`, and aiohttp's 413."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("send application/json")
    data = await request.read()
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("not well-formed JSON") from None


def answer(
    value: msgspec.Struct, *, status: int = 200, location: str | None = None
) -> web.Response:
    """A struct as the JSON body of an answer that no cache may keep."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **({"Location": location} if location else {})},
    )


def path_id(request: web.Request, name: str) -> int:
    """A numeric id from the path. Raises `Malformed` for anything but 1 … 2**53 - 1."""
    text = request.match_info[name]
    if (value := _number(text)) is not None and 1 <= value < 2**53:
        return value
    raise Malformed(f"{name} is not an id")


def query_int(request: web.Request, name: str, *, maximum: int, minimum: int = 0) -> int | None:
    """An integer from the query, `None` where absent. Raises `Malformed`."""
    text = request.query.get(name)
    if text is None:
        return None
    if (value := _number(text)) is not None and minimum <= value <= maximum:
        return value
    raise Malformed(f"{name} is not a number from {minimum} to {maximum}")


def moment(at_ms: int | None) -> datetime | None:
    """A time from a body. Raises `Malformed` for one that no calendar has."""
    try:
        return None if at_ms is None else from_ms(at_ms)
    except OverflowError:
        raise Malformed("a time is too far away") from None


def _number(text: str) -> int | None:
    is_number = len(text) <= NUMBER_DIGITS_MAX and text.isascii() and text.isdecimal()
    return int(text) if is_number else None
