"""What providers tell by calling us: receipts, and texts from people.

Providers call with GET or POST, with fields in the query, in a form or in JSON, as they please. The
address is the proof of who calls, so a wrong one is answered as if there were none.

Always true: 200 is answered only once the listener has stored what was told; until then the
provider may call again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from hodhod_server.domain import callback_addresses
from hodhod_server.domain.errors import Malformed, NotFound
from hodhod_server.domain.secret import Secret
from hodhod_server.sms.provider import Callback, CallingBack, Inbound, Listener, Provider
from hodhod_server.telemetry import logs
from hodhod_server.web.endpoints import Endpoint

log = logs.get("callbacks")
FIELDS_MAX: Final = 64


class Callbacks:
    """Who may call, and who wants to know."""

    def __init__(self, providers: Mapping[str, Provider], key: Secret, listener: Listener) -> None:
        self._providers = providers
        self._key = key
        self._listener = listener

    def require_provider(self, name: str, secret: str) -> CallingBack:
        """The provider at an address. Raises `NotFound`."""
        is_right = callback_addresses.is_callback_secret(self._key, name, secret)
        provider = self._providers.get(name)
        if not is_right or not isinstance(provider, CallingBack):
            raise NotFound
        return provider

    async def take(self, name: str, provider: CallingBack, callback: Callback) -> None:
        """Read a call and have it stored. Raises `Malformed`."""
        arrivals = provider.read_callback(callback)
        texts = sum(isinstance(arrival, Inbound) for arrival in arrivals)
        if arrivals:
            await self._listener(arrivals)
        log.debug("callback.taken", provider=name, texts=texts, receipts=len(arrivals) - texts)


CALLBACKS: Final = web.AppKey("CALLBACKS", Callbacks)


async def take(request: web.Request) -> web.Response:
    """A provider's call."""
    known, name = request.app[CALLBACKS], request.match_info["provider"]
    provider = known.require_provider(name, request.match_info["secret"])
    body = await request.read()
    fields = {**request.query, **_fields(request.content_type, body)}
    await known.take(name, provider, Callback(fields=fields, body=body))
    return web.Response(text="ok", headers={"Cache-Control": "no-store"})


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a body; programs that send JSON without saying so are known by its brace."""
    if content_type == "application/json" or body.lstrip().startswith(b"{"):
        return _json_fields(body)
    try:
        text = body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise Malformed("not a form") from None


def _json_fields(body: bytes) -> dict[str, str]:
    """The scalars of an object; a provider that tells more reads the body itself."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("not well-formed JSON") from None
    if not isinstance(told, dict):
        return {}
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in told.items()
        if isinstance(value, str | int | float)
    }


ENDPOINTS: Final = tuple(
    Endpoint(
        method=method,
        path=callback_addresses.PATH,
        handler=take,
        summary="What a provider of codes tells: receipts, and texts from people.",
        is_public=True,
    )
    for method in ("GET", "POST")
)
