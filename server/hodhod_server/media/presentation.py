"""How a stored file is shown to a browser: as what cannot act.

Anybody may upload anything under any type, and it is served from our origin. Pictures, sound, film
and plain text are shown; everything else is a download without a type that a browser would run.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_SHOWN: Final = re.compile(r"(image|audio|video)/(?!.*xml)[a-z0-9.+-]+")
_ATTRIBUTE_CHARACTERS: Final = "!#$&+-.^_`|~"  # attr-char of RFC 8187; quote() adds the rest


def presented(name: str, content_type: str) -> dict[str, str]:
    """The headers that say what the bytes are."""
    is_shown = True
    if content_type == "text/plain":
        content_type = "text/plain; charset=utf-8"
    elif not _SHOWN.fullmatch(content_type):
        content_type, is_shown = "application/octet-stream", False
    return {
        "Content-Type": content_type,
        "Content-Disposition": disposition("inline" if is_shown else "attachment", name),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def disposition(kind: str, name: str) -> str:
    """RFC 6266: an ASCII name for old readers, the true one (RFC 8187) for all others."""
    plain = re.sub(r"[^ !#-$&-\[\]-~]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, _ATTRIBUTE_CHARACTERS)}"
