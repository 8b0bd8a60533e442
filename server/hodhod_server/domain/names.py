"""A person's name: free, as long as it is one line that can be seen and does not bend others."""

from __future__ import annotations

from hodhod_server.domain.errors import NameInvalid
from hodhod_server.domain.text import has_ink, is_plain_line
from hodhod_wire.limits import NAME_CHARS_MAX


def parse_name(text: str) -> str:
    """The name, trimmed. Raises `NameInvalid`."""
    name = text.strip()
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        raise NameInvalid(f"a name has 1 to {NAME_CHARS_MAX} characters")
    if not is_plain_line(name):
        raise NameInvalid("a name is one line without control characters")
    if not has_ink(name):
        raise NameInvalid("a name needs a character that can be seen")
    return name
