"""Uploads: announce a file, send it chunk by chunk, and after every cut go on where it stood.

The address of an unfinished upload is in the session file until its message is written, so a
program that is started again goes on where the last one stopped. A large file on a long way goes in
several parts at once, which the server joins. Always true: of a file only the chunks under way are
held; a link that breaks every few seconds delays an upload and does not end it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Final

from msgspec import Struct, structs

from hodhod import _files as files
from hodhod._chunk_size import ChunkSize
from hodhod._errors import ConnectionLost, FileChanged, Refused, TryLater
from hodhod._keeper import Keeper
from hodhod._outbox import new_client_id
from hodhod._patience import Patience
from hodhod._progress import OnProgress, ProgressTeller
from hodhod._sources import Source
from hodhod._state import Unfinished
from hodhod._tus import Chunk, Gone, Offer, Tus

UNFINISHED_MAX: Final = 100  # addresses remembered; the oldest have expired long ago
KNOWN_FROM_BYTES: Final = 1024 * 1024  # asking costs a tenth of a second where it is unknown
PARTS: Final = 3
PARTS_FROM_BYTES: Final = 32 * 1024 * 1024
PARTS_FROM_S: Final = 0.1  # a way so long leaves one stream waiting for answers most of the time

OnBegun = Callable[[Unfinished], Awaitable[object]]


class Wish(Struct, frozen=True, kw_only=True):
    """What an upload is for. `on_begun` gets it when it has an address, before its bytes go."""

    chat: int
    media_type: str
    on_begun: OnBegun | None = None


class Uploads:
    """Brings files to the server."""

    def __init__(self, tus: Tus, keeper: Keeper, dice: random.Random) -> None:
        self._tus = tus
        self._keeper = keeper
        self._dice = dice
        self._under_way: set[int] = set()

    async def upload(
        self, source: Source, wish: Wish, on_progress: OnProgress | None
    ) -> Unfinished:
        """Returns when all bytes are durable; what is left to do is the message.

        Raises `FileChanged`, `Refused`, `ConnectionLost`, `SignedOut`, `OSError` of the file, and
        what `on_begun` raises.
        """
        teller = ProgressTeller(source.size, on_progress)
        patience = Patience(self._dice)
        upload = self._find_known(source, wish.chat)
        if upload is not None:
            self._under_way.add(upload.client_id)
        is_new = False
        try:
            while True:
                await source.require_unchanged()
                try:
                    if upload is None:
                        upload, is_new = await self._begin(source, wish)
                    if wish.on_begun is not None:
                        await wish.on_begun(upload)
                    upload = await self._carry(upload, source, teller, is_new=is_new)
                    teller.complete()
                    return upload
                except Gone:
                    self.forget(upload)
                    upload = None
                except (ConnectionLost, TryLater) as failure:
                    is_new = False
                    await patience.wait(failure)
        finally:
            if upload is not None:
                self._under_way.discard(upload.client_id)

    def forget(self, upload: Unfinished | None) -> None:
        """It is a message now, or can never become one."""
        if upload is not None:
            self._under_way.discard(upload.client_id)
            self.told(upload.client_id)

    def told(self, client_id: int) -> None:
        """The user got this message as an event: the same file may become another message."""
        known = self._keeper.state.uploads
        if any(one.client_id == client_id for one in known):
            self._keep([one for one in known if one.client_id != client_id])

    def _keep(self, uploads: list[Unfinished]) -> None:
        self._keeper.state.uploads = uploads[-UNFINISHED_MAX:]
        self._keeper.touch()

    def _find_known(self, source: Source, chat: int) -> Unfinished | None:
        """This file's unfinished way into this chat, if nobody works on it."""
        if source.file is None:
            return None
        wanted = (source.file.path, source.file.size, source.file.mtime_ns, chat)
        return next(
            (
                one
                for one in self._keeper.state.uploads
                if (one.path, one.size, one.mtime_ns, one.chat) == wanted
                and one.client_id not in self._under_way
            ),
            None,
        )

    async def _begin(self, source: Source, wish: Wish) -> tuple[Unfinished, bool]:
        """An upload, and whether it is empty: what the server has already is not sent again."""
        location = await self._take_known(source, wish)
        if location is None:
            return await self._announce(source, wish), True
        return await self._note(source, wish, location, []), False

    async def _take_known(self, source: Source, wish: Wish) -> str | None:
        file = source.file
        if file is None or file.size < KNOWN_FROM_BYTES:
            return None
        return await self._tus.take_known(
            await files.sha256_of(file.path),
            length=file.size,
            name=source.name,
            content_type=wish.media_type,
        )

    async def _announce(self, source: Source, wish: Wish) -> Unfinished:
        location, parts = "", list[str]()
        offer = await self._tus.offer()
        about = {"filename": source.name, "filetype": wish.media_type}
        if wish.on_begun is None and _is_worth_parts(source, offer):
            for start, stop in _windows(source, PARTS):
                length = {"Upload-Length": str(stop - start), "Upload-Concat": "partial"}
                parts.append(await self._tus.create(length))
        elif source.size is None:
            location = await self._tus.create({"Upload-Defer-Length": "1"}, **about)
        else:
            location = await self._tus.create({"Upload-Length": str(source.size)}, **about)
        return await self._note(source, wish, location, parts)

    async def _note(
        self, source: Source, wish: Wish, location: str, parts: list[str]
    ) -> Unfinished:
        file = source.file
        upload = Unfinished(
            path="" if file is None else file.path,
            size=0 if file is None else file.size,
            mtime_ns=0 if file is None else file.mtime_ns,
            chat=wish.chat,
            location=location,
            parts=parts,
            name=source.name,
            media_type=wish.media_type,
            client_id=new_client_id(),
        )
        self._under_way.add(upload.client_id)
        if file is not None:
            await self._remember(upload)
        return upload

    async def _remember(self, upload: Unfinished) -> None:
        self.told(upload.client_id)
        self._keep([*self._keeper.state.uploads, upload])
        await self._keeper.save()

    async def _carry(
        self, upload: Unfinished, source: Source, teller: ProgressTeller, *, is_new: bool
    ) -> Unfinished:
        """Bring all the bytes. The upload, with the address of what became of its parts."""
        if upload.location:
            part = _Part(self._tus, upload.location, 0, source.size)
            await part.carry(source, teller, self._dice, is_new=is_new)
            return upload
        windows = _windows(source, len(upload.parts))
        try:
            async with asyncio.TaskGroup() as tasks:
                for location, (start, stop) in zip(upload.parts, windows, strict=True):
                    part = _Part(self._tus, location, start, stop)
                    tasks.create_task(part.carry(source, teller, self._dice, is_new=is_new))
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        joined = await self._tus.create(
            {"Upload-Concat": "final;" + " ".join(upload.parts)},
            filename=upload.name,
            filetype=upload.media_type,
        )
        upload = structs.replace(upload, location=joined)
        await self._remember(upload)
        return upload


class _Part:
    """One stream of bytes: a whole upload, or the window of it from `start` to `stop`."""

    def __init__(self, tus: Tus, location: str, start: int, stop: int | None) -> None:
        self._tus = tus
        self._location = location
        self._start = start
        self._stop = stop
        self._size = ChunkSize()

    async def carry(
        self, source: Source, teller: ProgressTeller, dice: random.Random, *, is_new: bool
    ) -> None:
        """Returns when the server has all of it. Raises `Gone`, and as `Uploads.upload`."""
        patience = Patience(dice)
        offset: int | None = 0 if is_new else None
        while True:
            try:
                if offset is None:
                    offset = await self._tus.offset(self._location)
                patience.reach(offset)
                teller.reach(offset, part=self._start)
                chunk = await self._next(source, offset)
                if chunk is None:
                    return
                offset = await self._send(chunk, teller)
            except (ConnectionLost, TryLater) as failure:
                offset = None
                if isinstance(failure, ConnectionLost):
                    self._size.broke()
                await patience.wait(failure)
            except Refused as refused:
                if refused.code != "offset_mismatch":
                    raise
                offset = None

    async def _next(self, source: Source, offset: int) -> Chunk | None:
        """What to send next; `None` where nothing is left."""
        at = self._start + offset
        if self._stop is not None:
            if at >= self._stop:
                return None
            data = await source.read(at, min(self._size.bytes, self._stop - at))
            if not data:
                raise FileChanged(f"{source.name} is shorter than it was")
            return Chunk(offset, data)
        if source.size is not None and 0 < source.size <= at:
            return None
        wanted = self._size.bytes
        data = await source.read(at, wanted + 1)  # one more, to know the end when it is here
        is_last = source.size is not None and at + min(wanted, len(data)) >= source.size
        return Chunk(offset, data[:wanted], source.size if is_last else None)

    async def _send(self, chunk: Chunk, teller: ProgressTeller) -> int:
        def tell(sent: int) -> None:
            teller.reach(chunk.offset + sent, part=self._start)

        offset = await self._tus.send(self._location, chunk, tell)
        self._size.took(len(chunk.data))
        if chunk.length is not None:
            self._stop = chunk.length
        return offset


def _is_worth_parts(source: Source, offer: Offer) -> bool:
    is_far = offer.answer_s >= PARTS_FROM_S and "concatenation" in offer.extensions
    return is_far and source.size is not None and source.size >= PARTS_FROM_BYTES


def _windows(source: Source, count: int) -> list[tuple[int, int]]:
    assert source.size is not None
    edges = [source.size * number // count for number in range(count + 1)]
    return list(pairwise(edges))


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
