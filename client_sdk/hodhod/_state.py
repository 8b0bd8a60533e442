"""The session file: all that a device must remember between two runs of the program.

One JSON document, readable by its owner only, replaced as a whole: a reader finds the old one or
the new one, also after a power cut. A second program on the same file would use the same refresh
token twice and lose the session, so the file is locked while it is in use.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from hodhod._errors import StateUnusable
from hodhod._outbox import Pending
from hodhod._session import Kept

if sys.platform != "win32":
    import fcntl

VERSION: Final = 1


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the parts of the server are, from `/.well-known/hodhod`."""

    version: int
    ws: str
    api: str
    signup: str
    media: str
    limits: dict[str, int] = {}
    features: list[str] = []


class Credentials(Struct, frozen=True, kw_only=True):
    """Who is signed in, and what proves it. Times in milliseconds since the epoch."""

    user: int
    device: int
    name: str
    is_new: bool
    access_token: str
    access_expires_at: int
    refresh_token: str
    refresh_expires_at: int

    def __repr__(self) -> str:
        return f"Credentials(user={self.user}, device={self.device})"


class Unfinished(Struct, frozen=True, kw_only=True):
    """A file on its way into a chat, as it was when the upload began.

    `client_id` is fixed from the start: however often the program is started again, the file
    becomes one message.
    """

    path: str
    size: int
    mtime_ns: int
    chat: int
    location: str
    """Where the server keeps it, as the server named it; empty while it is in parts."""
    client_id: int
    parts: list[str] = []
    """Where its parts are, which become one there when all have arrived."""
    name: str = ""
    media_type: str = ""


class State(Struct, kw_only=True):
    """What is in the file."""

    url: str
    version: int = VERSION
    addresses: Addresses | None = None
    device_key: str = ""
    """The device's private key: Ed25519, 32 bytes, base64url."""
    credentials: Credentials | None = None
    return_tokens: list[str] = []
    """Tokens kept at sign-outs, newest last."""
    clock_offset_ms: int = 0
    """The server's clock minus this device's."""
    user: int = 0
    """Whose chats and messages are below; they stay when the session ends, for their return."""
    knows_all: bool = False
    """A first sync was completed; see `Session.knows_all`."""
    chats: dict[int, Kept] = {}
    pending: list[Pending] = []
    uploads: list[Unfinished] = []

    def __repr__(self) -> str:
        return f"State({self.url!r}, {self.credentials!r})"


class Storage(Protocol):
    """Where the state is kept. Every method blocks, and may raise `StateUnusable`."""

    def open(self, url: str) -> State:
        """The state as it was kept; a new one where there is none. Nobody else has it now."""
        ...

    def write(self, state: bytes) -> None:
        """Replace it, durably and as a whole."""
        ...

    def close(self) -> None:
        """Let another program have it."""


class StateFile:
    """The file itself. Every method blocks, and raises `StateUnusable`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    def open(self, url: str) -> State:
        """Lock the file and read it; a new state where there is none."""
        self._take_lock()
        try:
            return self._read(url)
        except StateUnusable:
            self.close()
            raise

    def _read(self, url: str) -> State:
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(url=url)
        except OSError as error:
            raise self._unusable(error.strerror or "cannot be read") from error
        except msgspec.DecodeError:
            raise self._unusable("is not a session file") from None
        if state.version != VERSION:
            raise self._unusable(f"is of version {state.version}; this SDK reads {VERSION}")
        if state.url != url:
            raise self._unusable(f"belongs to {state.url}")
        return state

    def write(self, state: bytes) -> None:
        """Replace the file, durably."""
        new = self._path.with_name(self._path.name + ".new")
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(state)
                file.flush()
                os.fsync(handle)
            new.replace(self._path)
            self._sync_folder()
        except OSError as error:
            raise self._unusable(error.strerror or "cannot be written") from error

    def close(self) -> None:
        """Let another program have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            path = self._path.with_name(self._path.name + ".lock")
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise self._unusable("is in use by another client") from None
        except OSError as error:
            raise self._unusable(error.strerror or "cannot be locked") from error

    def _sync_folder(self) -> None:
        """The new name is durable, too, once the folder is."""
        if sys.platform == "win32":
            return
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _unusable(self, reason: str) -> StateUnusable:
        return StateUnusable(f"the session file {self._path.name} {reason}")
