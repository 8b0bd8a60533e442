"""`GET /v1/openapi.json`: OpenAPI 3.1 of every role, generated from what the edges declare.

Shapes come from the structs that decode and encode the bodies, so the document cannot drift. Roles
that have an address of their own appear with it as the server of their paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from hodhod_server.http_api.addresses import Addresses, addresses_of
from hodhod_server.web.endpoints import Endpoint, Operation
from hodhod_wire.errors import ErrorCode

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_REF: Final = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal (RFC 9457). Some codes add members, such as `tries_left` or `offset`."""

    type: str
    title: str
    titles: dict[str, str]
    status: int
    code: ErrorCode
    request_id: str
    detail: str = ""
    retry_after: float | None = None


class Described:
    """The operations of each role, `gateway`, `signup` and `media`."""

    def __init__(self, by_role: Mapping[str, Sequence[Operation]]) -> None:
        self._by_role = by_role
        shapes = {
            shape
            for operations in by_role.values()
            for operation in operations
            for shape in (operation.takes, operation.gives, operation.may_wait)
            if shape is not None
        }
        ordered = [*sorted(shapes, key=lambda shape: shape.__qualname__), Problem]
        schemas, self._components = msgspec.json.schema_components(ordered, ref_template=_REF)
        self._schemas = dict(zip(ordered, schemas, strict=True))

    def document(self, addresses: Addresses) -> dict[str, Any]:
        """The whole document, with each role's paths at its address."""
        paths: dict[str, dict[str, Any]] = {}
        for role, operations in self._by_role.items():
            server = {"url": getattr(addresses, role)}
            for operation in operations:
                item = paths.setdefault(operation.path, {"servers": [server]})
                item[operation.method.lower()] = self._operation(role, operation)
        return {
            "openapi": "3.1.0",
            "info": {"title": "Hodhod", "version": "1"},
            "servers": [{"url": addresses.gateway}],
            "paths": paths,
            "components": {
                "schemas": self._components,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }

    def _operation(self, role: str, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "tags": [role],
            "summary": operation.summary,
            "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
            "responses": {
                str(operation.status): _content("Done.", self._schemas.get(operation.gives)),
                "default": _content(
                    "Refused.", self._schemas[Problem], media="application/problem+json"
                ),
            },
        }
        if operation.may_wait is not None:
            schema = self._schemas[operation.may_wait]
            described["responses"]["202"] = _content("Come back later.", schema)
        if operation.takes is not None:
            body = _content("", self._schemas[operation.takes])["content"]
            described["requestBody"] = {"required": True, "content": body}
        if not operation.is_public:
            described["security"] = [{"bearer": []}]
        return described


DESCRIBED: Final = web.AppKey("DESCRIBED", Described)


async def get_openapi(request: web.Request) -> web.Response:
    """The document, with the addresses that this client uses."""
    return web.json_response(request.app[DESCRIBED].document(addresses_of(request)))


def _path_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(operation.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in operation.query:
        yield {"name": name, "in": "query", "schema": {"type": "string"}}


def _content(
    description: str, schema: dict[str, Any] | None, media: str = "application/json"
) -> dict[str, Any]:
    content = {} if schema is None else {"content": {media: {"schema": schema}}}
    return {"description": description, **content}


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/openapi.json",
        handler=get_openapi,
        summary="This document.",
        is_public=True,
    ),
)
