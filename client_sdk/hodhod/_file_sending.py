"""A file into a chat: the upload and its message, in the order that was asked for.

Always true: of one upload comes one message, whose `client_id` is fixed when the upload begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hodhod import _files as files
from hodhod._errors import Refused
from hodhod._models import Message
from hodhod._progress import OnProgress
from hodhod._sources import Source
from hodhod._state import Unfinished
from hodhod._uploads import Uploads, Wish
from hodhod_wire.events import File
from hodhod_wire.limits import FILE_NAME_CHARS_MAX

Write = Callable[[File, int], Awaitable[Message]]
"""Writes a message, with this `client_id`, into the chat."""


class FileSending:
    """One file on its way."""

    def __init__(self, write: Write, uploads: Uploads, chat: int, caption: str) -> None:
        self._write_message = write
        self._uploads = uploads
        self._chat = chat
        self._caption = caption

    async def send(
        self, source: Source, on_progress: OnProgress | None, *, announce: bool
    ) -> Message:
        """The message, when it and the bytes are durable."""
        media_type = await files.guess_type(source.name)

        async def write(upload: Unfinished) -> Message:
            return await self._write(upload, source, media_type)

        wish = Wish(chat=self._chat, media_type=media_type, on_begun=write if announce else None)
        upload = await self._uploads.upload(source, wish, on_progress)
        message = await write(upload)  # announced before: the same message comes back
        self._uploads.forget(upload)
        return message

    async def _write(self, upload: Unfinished, source: Source, media_type: str) -> Message:
        body = File(
            media=upload.location.rpartition("/")[2],
            name=source.name[-FILE_NAME_CHARS_MAX:],
            size=source.size or 0,  # of an announced stream nobody knows it yet
            type=media_type,
            caption=self._caption,
        )
        try:
            return await self._write_message(body, upload.client_id)
        except Refused:
            self._uploads.forget(upload)
            raise
