"""Refusals over HTTP: RFC 9457 problem documents, from one table.

Every error code has one HTTP status here, and a test keeps the table complete. An exception that is
not a refusal becomes `internal` with the request's id, and its traceback goes to the log once.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from aiohttp import web

from hodhod_server.domain.errors import (
    HodhodError,
    Internal,
    Malformed,
    MethodNotAllowed,
    NotFound,
    TooLarge,
)
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode

log = logs.get("web")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COUNTERS_MAX: Final = 256
TYPE: Final = "application/problem+json"

HTTP_STATUS: Final[dict[ErrorCode, int]] = {
    ErrorCode.MALFORMED: 400,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.WRONG_STATE: 409,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.INTERNAL: 500,
    ErrorCode.PHONE_INVALID: 400,
    ErrorCode.NAME_INVALID: 400,
    ErrorCode.NAME_REQUIRED: 409,
    ErrorCode.CHALLENGE_NOT_FOUND: 404,
    ErrorCode.CHALLENGE_EXPIRED: 410,
    ErrorCode.CODE_MALFORMED: 400,
    ErrorCode.CODE_WRONG: 403,
    ErrorCode.TRIES_EXHAUSTED: 429,
    ErrorCode.PROOF_OF_WORK_REQUIRED: 402,
    ErrorCode.COUNTRY_NOT_SERVED: 403,
    ErrorCode.TEXT_US_INSTEAD: 403,
    ErrorCode.TICKET_INVALID: 410,
    ErrorCode.REFRESH_TOKEN_INVALID: 401,
    ErrorCode.REFRESH_TOKEN_REUSED: 401,
    ErrorCode.DEVICE_NOT_FOUND: 404,
    ErrorCode.SIGNATURE_INVALID: 403,
    ErrorCode.CLOCK_SKEWED: 403,
    ErrorCode.RECOVERY_KEY_INVALID: 403,
    ErrorCode.PIN_REQUIRED: 409,
    ErrorCode.PIN_WRONG: 403,
    ErrorCode.PIN_INVALID: 400,
    ErrorCode.HELD: 403,
    ErrorCode.SIGN_IN_NUMBER_WRONG: 403,
    ErrorCode.DEVICE_LINK_INVALID: 410,
    ErrorCode.TOTP_REQUIRED: 409,
    ErrorCode.TOTP_WRONG: 403,
    ErrorCode.NUMBER_TAKEN: 409,
    ErrorCode.PASSKEY_INVALID: 403,
    ErrorCode.CHAT_NOT_FOUND: 404,
    ErrorCode.USER_NOT_FOUND: 404,
    ErrorCode.MESSAGE_NOT_FOUND: 404,
    ErrorCode.CLIENT_ID_REUSED: 409,
    ErrorCode.TITLE_INVALID: 400,
    ErrorCode.MEMBER_NOT_FOUND: 404,
    ErrorCode.INVITE_NOT_FOUND: 404,
    ErrorCode.BANNED: 403,
    ErrorCode.MUTED: 403,
    ErrorCode.SLOW_MODE: 429,
    ErrorCode.LIMIT_REACHED: 409,
    ErrorCode.MEDIA_NOT_FOUND: 404,
    ErrorCode.MEDIA_NOT_READY: 409,
    ErrorCode.MEDIA_REFUSED: 403,
    ErrorCode.UPLOAD_NOT_FOUND: 404,
    ErrorCode.UPLOAD_EXPIRED: 410,
    ErrorCode.UPLOAD_BUSY: 423,
    ErrorCode.OFFSET_MISMATCH: 409,
    ErrorCode.CHECKSUM_MISMATCH: 460,
    ErrorCode.FILE_TYPE_REFUSED: 415,
    ErrorCode.TUS_VERSION_UNSUPPORTED: 412,
    ErrorCode.STORAGE_FULL: 507,
    ErrorCode.QUOTA_EXCEEDED: 413,
    ErrorCode.LINK_INVALID: 403,
    ErrorCode.LINK_EXPIRED: 410,
    ErrorCode.RANGE_NOT_SATISFIABLE: 416,
}


class Problem(NamedTuple):
    """A refusal as HTTP carries it. RFC 9457."""

    status: int
    headers: dict[str, str]
    body: bytes


def problem(error: HodhodError, request_id: str, *, wants_persian: bool) -> Problem:
    """The document for a refusal, its title in the language the client prefers."""
    text = ERROR_TEXTS[error.code]
    members: dict[str, Any] = {
        "type": f"urn:hodhod:error:{error.code}",
        "title": text.fa if wants_persian else text.en,
        "titles": {"en": text.en, "fa": text.fa},
        "status": HTTP_STATUS[error.code],
        "code": str(error.code),
        "request_id": request_id,
        **error.facts,
    }
    if error.detail:
        members["detail"] = error.detail
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_s is not None:
        members["retry_after"] = error.retry_after_s
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if error.code is ErrorCode.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    headers["Content-Type"] = TYPE
    return Problem(HTTP_STATUS[error.code], headers, msgspec.json.encode(members))


@web.middleware
async def errors_to_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost layer of every HTTP edge: ids, refusals, and what nobody expected.

    A connection's task handles its requests one by one: its logs tell the latest one's id.
    """
    request_id = secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request=request_id)
    loop_time = asyncio.get_running_loop().time
    started = loop_time()
    response = await _answer(request, handler, request_id)
    _count(request.method, response.status)()
    if response.status != 101:  # an upgraded connection lasts for hours
        metrics.HTTP_SECONDS.observe(loop_time() - started)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except HodhodError as error:
        return _refuse(error, request, request_id)
    except web.HTTPException as error:
        return _from_aiohttp(error, request, request_id)
    except ConnectionError:
        raise  # the client went away; aiohttp knows what to do
    except Exception:
        log.exception("http.failed", method=request.method)
        return _refuse(Internal(), request, request_id)


@functools.lru_cache(COUNTERS_MAX)
def _count(method: str, status: int) -> Callable[[], None]:
    return metrics.HTTP_REQUESTS.labels(method, str(status)).inc


def _refuse(error: HodhodError, request: web.Request, request_id: str) -> web.Response:
    metrics.REFUSALS.labels(str(error.code)).inc()
    log.debug("http.refused", code=str(error.code))
    wants_persian = request.headers.get("Accept-Language", "").lower().startswith("fa")
    status, headers, body = problem(error, request_id, wants_persian=wants_persian)
    return web.Response(body=body, status=status, headers=headers)


def _from_aiohttp(
    error: web.HTTPException, request: web.Request, request_id: str
) -> web.StreamResponse:
    """What aiohttp itself refuses, in our form; its redirects and 304 stay as they are."""
    if error.status < 400:
        raise error
    match error:
        case web.HTTPNotFound():
            return _refuse(NotFound(), request, request_id)
        case web.HTTPMethodNotAllowed():
            response = _refuse(MethodNotAllowed(), request, request_id)
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            return response
        case web.HTTPRequestEntityTooLarge():
            return _refuse(TooLarge(), request, request_id)
        case _:
            return _refuse(Malformed(error.reason), request, request_id)
