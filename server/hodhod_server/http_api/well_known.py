"""`GET /.well-known/hodhod`: addresses and limits, so that clients need nothing but one URL."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.domain import chat_limits
from hodhod_server.http_api.addresses import addresses_of
from hodhod_server.settings import Settings
from hodhod_server.web.bodies import answer
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire import limits
from hodhod_wire.version import WIRE_VERSION

FEATURES: Final = (
    "private_chats",
    "groups",
    "channels",
    "files",
    "device_key_return",
    "receipts",
    "typing",
)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may send, in bytes, characters, items and seconds."""

    frame_bytes: int
    text_chars: int
    name_chars: int
    page_events: int
    sync_positions: int
    title_chars: int
    about_chars: int
    group_members: int
    members_per_add: int
    admins: int
    invite_links: int
    slow_mode_s: int
    views_per_read: int
    receipt_members: int
    upload_bytes: int
    upload_expiry_s: int
    code_validity_s: int
    code_tries: int
    access_token_s: int
    refresh_token_days: int


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is, and how much of it one may use."""

    version: int
    ws: str
    api: str
    signup: str
    media: str
    limits: Limits
    features: tuple[str, ...]


LIMITS: Final = web.AppKey("LIMITS", Limits)


async def describe(request: web.Request) -> web.Response:
    """The description, with addresses on the host that the client used."""
    addresses = addresses_of(request)
    return answer(
        Description(
            version=WIRE_VERSION,
            ws=addresses.socket,
            api=addresses.gateway,
            signup=addresses.signup,
            media=addresses.media,
            limits=request.app[LIMITS],
            features=FEATURES,
        )
    )


def limits_of(settings: Settings) -> Limits:
    """What clients are told of the limits."""
    return Limits(
        frame_bytes=limits.FRAME_BYTES_MAX,
        text_chars=limits.TEXT_CHARS_MAX,
        name_chars=limits.NAME_CHARS_MAX,
        page_events=limits.PAGE_EVENTS_MAX,
        sync_positions=limits.POSITIONS_MAX,
        title_chars=limits.TITLE_CHARS_MAX,
        about_chars=limits.ABOUT_CHARS_MAX,
        group_members=chat_limits.GROUP_MEMBERS_MAX,
        members_per_add=chat_limits.MEMBERS_PER_ADD_MAX,
        admins=chat_limits.ADMINS_MAX,
        invite_links=chat_limits.LINKS_MAX,
        slow_mode_s=chat_limits.SLOW_MODE_S_MAX,
        views_per_read=chat_limits.VIEWS_PER_JUMP_MAX,
        receipt_members=chat_limits.RECEIPT_MEMBERS_MAX,
        upload_bytes=settings.media.upload_bytes_max,
        upload_expiry_s=settings.media.upload_expiry_s,
        code_validity_s=settings.signup.code_validity_s,
        code_tries=settings.signup.tries_max,
        access_token_s=settings.security.access_token_s,
        refresh_token_days=settings.security.refresh_token_days,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/.well-known/hodhod",
        handler=describe,
        summary="Addresses, limits and features of this server.",
        gives=Description,
        is_public=True,
        work=None,
    ),
)
