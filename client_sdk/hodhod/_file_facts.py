"""What the server told of files, by notices that came before or after the messages that name them.

Only of the newest `FACTS_MAX` files, and not across restarts: the notices are in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from hodhod._models import Message
from hodhod_wire.events import MediaReady

FACTS_MAX: Final = 1000


class FileFacts:
    """The newest notice of each file."""

    def __init__(self) -> None:
        self._known: dict[str, MediaReady] = {}

    def note(self, message: Message) -> None:
        """Remember a notice; of other messages nothing."""
        ready = message.notice
        if isinstance(ready, MediaReady):
            self._known.pop(ready.media, None)
            self._known[ready.media] = ready
            if len(self._known) > FACTS_MAX:
                del self._known[next(iter(self._known))]

    def learn(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with all that they, together, tell of their files."""
        for message in messages:
            self.note(message)
        return [self.folded(message) for message in messages]

    def folded(self, message: Message) -> Message:
        """The message with what is known of its file by now."""
        file = message.file
        ready = None if file is None else self._known.get(file.media)
        if file is None or ready is None:
            return message
        body = structs.replace(
            file, size=ready.size or file.size, type=ready.type or file.type, awaited=False
        )
        return structs.replace(message, body=body, ready=ready)
