"""A message on its way into a chat's log, and where it came to stand."""

from __future__ import annotations

import msgspec

from hodhod_server.domain.ids import ChatId, ClientId, Seq, UserId


class Draft(msgspec.Struct, frozen=True):
    """A message that is allowed and not yet durable. `body` is encoded (MessagePack).

    `audience`, `origin` and `version` are not stored: who is to hear of it (nobody is named in a
    broadcast chat), the connection it came from, and the chat's version when it was allowed.
    `media` is the file it names; `awaits_media`: its upload had not ended.
    """

    chat: ChatId
    sender: UserId
    client_id: ClientId
    body: bytes
    audience: tuple[UserId, ...] = ()
    origin: int = 0
    version: int = 0
    is_broadcast: bool = False
    hides_sender: bool = False
    holds_file: bool = False
    media: str = ""
    awaits_media: bool = False


class Appended(msgspec.Struct, frozen=True):
    """Where a draft is in its chat's log."""

    chat: ChatId
    seq: Seq
    at_ms: int
