"""Uploads over tus 1.0.0: announce, send, and after every cut ask how far it got and go on.

The address of an unfinished upload is in the session file until its message is written, so a
program that is started again goes on where the last one stopped. Always true: a file is read in
pieces and never held; a link that breaks every few seconds delays an upload and does not end it.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final

import aiohttp

from hodhod import _files as files
from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._errors import ConnectionLost, ServerNotUnderstood, TryLater
from hodhod._files import LocalFile, Pieces
from hodhod._http import lost_connections, refusal_from
from hodhod._keeper import Keeper
from hodhod._outbox import new_client_id
from hodhod._patience import Patience
from hodhod._progress import OnProgress, ProgressTeller
from hodhod._state import Unfinished

PATH: Final = "/v1/uploads"
OCTETS: Final = "application/offset+octet-stream"
STALL_S: Final = 30.0  # a link that takes no piece for so long is dead
ANSWER_S: Final = 120.0  # after the last byte the server makes it durable
UNFINISHED_MAX: Final = 100  # addresses remembered; the oldest have expired long ago


class Gone(Exception):
    """The server does not know this upload any more."""


class Uploads:
    """Brings files to the server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: Account,
        addresses: AddressBook,
        keeper: Keeper,
        dice: random.Random,
    ) -> None:
        self._session = session
        self._account = account
        self._addresses = addresses
        self._keeper = keeper
        self._dice = dice
        self._under_way: set[str] = set()

    async def upload(
        self, file: LocalFile, chat: int, media_type: str, on_progress: OnProgress | None
    ) -> Unfinished:
        """Returns when all bytes are durable; what is left to do is the message.

        Raises `FileChanged`, `Refused`, `ConnectionLost`, `SignedOut`, and `OSError` of the file.
        """
        teller = ProgressTeller(file.size, on_progress)
        patience = Patience(self._dice)
        upload = self._find_known(file, chat)
        if upload is not None:
            self._under_way.add(upload.location)
        try:
            while True:
                await files.require_unchanged(file)
                try:
                    upload = upload or await self._announce(file, chat, media_type)
                    if await self._go_on(upload, file, teller, patience):
                        return upload
                except Gone:
                    self.forget(upload)
                    upload = None
                except (ConnectionLost, TryLater) as failure:
                    await patience.wait(failure)
        finally:
            if upload is not None:
                self._under_way.discard(upload.location)

    def forget(self, upload: Unfinished | None) -> None:
        """It is a message now, or can never become one."""
        if upload is not None:
            self._under_way.discard(upload.location)
            self._keep(
                [one for one in self._keeper.state.uploads if one.location != upload.location]
            )

    def told(self, client_id: int) -> None:
        """The user got this message as an event: the same file may become another message."""
        known = self._keeper.state.uploads
        if any(one.client_id == client_id for one in known):
            self._keep([one for one in known if one.client_id != client_id])

    def _keep(self, uploads: list[Unfinished]) -> None:
        self._keeper.state.uploads = uploads[-UNFINISHED_MAX:]
        self._keeper.touch()

    def _find_known(self, file: LocalFile, chat: int) -> Unfinished | None:
        """This file's unfinished way into this chat, if nobody works on it."""
        wanted = (file.path, file.size, file.mtime_ns, chat)
        return next(
            (
                one
                for one in self._keeper.state.uploads
                if (one.path, one.size, one.mtime_ns, one.chat) == wanted
                and one.location not in self._under_way
            ),
            None,
        )

    async def _announce(self, file: LocalFile, chat: int, media_type: str) -> Unfinished:
        headers = {
            "Upload-Length": str(file.size),
            "Upload-Metadata": _metadata(filename=file.name, filetype=media_type),
        }
        answer = await self._ask("POST", self._addresses.media(PATH), headers)
        if "Location" not in answer:
            raise ServerNotUnderstood("the server names no address for the upload")
        upload = Unfinished(
            path=file.path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            chat=chat,
            location=answer["Location"],
            client_id=new_client_id(),
        )
        self._under_way.add(upload.location)
        self._keep([*self._keeper.state.uploads, upload])
        await self._keeper.save()
        return upload

    async def _go_on(
        self, upload: Unfinished, file: LocalFile, teller: ProgressTeller, patience: Patience
    ) -> bool:
        """Ask how far the upload is and send the rest. Whether it is complete."""
        url = self._addresses.media(upload.location)
        offset = _offset(await self._ask("HEAD", url, {}))
        if offset < file.size:
            patience.reach(offset)
            teller.reach(offset)
            offset = await self._send(url, file, offset, teller)
        patience.reach(offset)
        teller.reach(offset)
        return offset == file.size

    async def _send(self, url: str, file: LocalFile, offset: int, teller: ProgressTeller) -> int:
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": OCTETS,
            "Content-Length": str(file.size - offset),
        }
        try:
            async with Pieces(file, offset) as pieces, asyncio.timeout(STALL_S) as watchdog:
                body = _Body(pieces, offset, file.size, teller, watchdog)
                return _offset(await self._ask("PATCH", url, headers, body))
        except TimeoutError:
            raise ConnectionLost("the upload stalled") from None

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: _Body | None = None
    ) -> Mapping[str, str]:
        """The headers of a good answer."""
        token = await self._account.access_token()
        always = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {token}"}
        with lost_connections():
            async with self._session.request(
                method, url, headers={**always, **headers}, data=body, timeout=_timeout(body)
            ) as answer:
                problem = await answer.read()
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer.headers
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) and method != "POST":
            raise Gone
        if answer.status == HTTPStatus.UNAUTHORIZED:
            await self._account.renew(token)
            raise TryLater("unauthenticated", retry_after_s=0.0)
        raise refusal_from(answer.status, answer.headers, problem)


class _Body:
    """The rest of a file on its way; each piece that is taken renews the watchdog's patience."""

    def __init__(
        self,
        pieces: Pieces,
        offset: int,
        size: int,
        teller: ProgressTeller,
        watchdog: asyncio.Timeout,
    ) -> None:
        self._pieces = pieces
        self._offset = offset
        self._size = size
        self._teller = teller
        self._watchdog = watchdog

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._offset < self._size:  # all of it is told when the server says so
            self._teller.reach(self._offset)
        piece = await self._pieces.next_piece()
        if not piece:
            raise StopAsyncIteration
        self._offset += len(piece)
        patience_s = STALL_S if self._offset < self._size else ANSWER_S
        self._watchdog.reschedule(asyncio.get_running_loop().time() + patience_s)
        return piece


def _timeout(body: _Body | None) -> aiohttp.ClientTimeout:
    """A body has a watchdog of its own."""
    return aiohttp.ClientTimeout(total=STALL_S if body is None else None, sock_connect=STALL_S)


def _metadata(**pairs: str) -> str:
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
    )


def _offset(headers: Mapping[str, str]) -> int:
    try:
        return int(headers["Upload-Offset"])
    except (KeyError, ValueError):
        raise ServerNotUnderstood("the server does not tell how far the upload is") from None
