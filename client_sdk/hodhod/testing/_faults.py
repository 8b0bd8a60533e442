"""What goes wrong on purpose, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Chances from 0.0 to 1.0, for each frame anew; sizes in bytes, times in seconds."""

    push_loss: float = 0.0
    """A push is not sent at all. Announce it with `FakeServer.resync`, as a real server does."""

    push_repeat: float = 0.0
    """A push is sent twice."""

    push_delay_s: float = 0.0
    """A push is late by up to this: pushes overtake one another."""

    reply_loss: float = 0.0
    """A `send` is carried out, and the connection breaks before the reply."""

    answer_loss: float = 0.0
    """A request about a group is carried out, and the connection breaks before the answer."""

    upload_cut_bytes: int = 0
    """Uploads are cut whenever this many bytes came through; 0: never."""

    download_cut_bytes: int = 0
    """An answer with a file breaks after this many bytes; 0: never."""
