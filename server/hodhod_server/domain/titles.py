"""The title of a group or channel, and what it says about itself."""

from __future__ import annotations

from hodhod_server.domain.errors import TitleInvalid
from hodhod_server.domain.text import has_ink, is_plain_line
from hodhod_wire.limits import ABOUT_CHARS_MAX, TITLE_CHARS_MAX


def parse_title(text: str) -> str:
    """The title, trimmed. Raises `TitleInvalid`."""
    title = text.strip()
    if not 1 <= len(title) <= TITLE_CHARS_MAX:
        raise TitleInvalid(f"a title has 1 to {TITLE_CHARS_MAX} characters")
    if not is_plain_line(title) or not has_ink(title):
        raise TitleInvalid("a title is one line that can be seen")
    return title


def parse_about(text: str) -> str:
    """The text, trimmed; it may be empty and have several lines. Raises `TitleInvalid`."""
    about = text.strip()
    if len(about) > ABOUT_CHARS_MAX:
        raise TitleInvalid(f"about has at most {ABOUT_CHARS_MAX} characters")
    if not all(is_plain_line(line) for line in about.split("\n")):
        raise TitleInvalid("about has no control characters")
    return about
