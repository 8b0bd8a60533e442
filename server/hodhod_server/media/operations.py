"""What this edge serves, for the OpenAPI document; the shapes of tus are headers, not JSON."""

from __future__ import annotations

from typing import Final

from hodhod_server.media.known import KnownFile, TakenFile
from hodhod_server.web.endpoints import Operation

_UPLOAD: Final = "/v1/uploads/{upload}"
OPERATIONS: Final = (
    Operation(
        method="OPTIONS",
        path="/v1/uploads",
        summary="What this tus 1.0.0 server can do.",
        status=204,
        is_public=True,
    ),
    Operation(
        method="POST", path="/v1/uploads", summary="Create an upload (tus creation).", status=201
    ),
    Operation(
        method="POST",
        path="/v1/uploads/known",
        summary="Send a file that the caller has, or may see, without its bytes.",
        takes=KnownFile,
        gives=TakenFile,
        status=201,
    ),
    Operation(method="HEAD", path=_UPLOAD, summary="How far an upload is (tus core)."),
    Operation(method="PATCH", path=_UPLOAD, summary="Append at the offset (tus core).", status=204),
    Operation(
        method="DELETE", path=_UPLOAD, summary="Give an upload up (tus termination).", status=204
    ),
    Operation(
        method="GET",
        path="/v1/media/{media}",
        summary="A file or a range of it, by a signed address.",
        is_public=True,
        query=("expires", "user", "signature"),
    ),
)
