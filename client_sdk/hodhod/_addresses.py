"""Where the parts of the server are: asked from one URL, remembered between runs.

A program that is signed in starts without a network: the addresses of the last run will do. They
are asked again when connecting fails several times in a row, because parts may have moved.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

from hodhod._errors import ConnectionLost, ServerNotUnderstood
from hodhod._http import Http
from hodhod._keeper import Keeper
from hodhod._state import Addresses
from hodhod_wire.version import WIRE_VERSION

PATH: Final = "/.well-known/hodhod"


def checked_url(url: str) -> str:
    """The server's address without its tail. Raises `ValueError` for what is no HTTP address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the server's address begins with https:// (or http://) and has a host")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


class AddressBook:
    """The addresses of one server."""

    def __init__(self, url: str, http: Http, keeper: Keeper) -> None:
        self._url = url
        self._http = http
        self._keeper = keeper

    @property
    def current(self) -> Addresses:
        """The newest that are known. Raises `ConnectionLost` before the first."""
        if self._keeper.state.addresses is None:
            raise ConnectionLost("the server was not reached yet")
        return self._keeper.state.addresses

    async def start(self) -> None:
        """Ask; where that fails, what the last run knew will do.

        Raises `ConnectionLost`, `ServerNotUnderstood`, `Refused`.
        """
        try:
            await self.ask()
        except ConnectionLost:
            if self._keeper.state.addresses is None:
                raise

    async def ask(self) -> None:
        """Ask the server now. Raises as `start`."""
        addresses = await self._http.get(self._url + PATH, Addresses)
        if addresses.version != WIRE_VERSION:
            raise ServerNotUnderstood(
                f"the server speaks version {addresses.version}, this SDK {WIRE_VERSION}"
            )
        self._keeper.state.addresses = addresses
        self._keeper.touch()

    def api(self, path: str) -> str:
        """An address of the API."""
        return self.current.api.rstrip("/") + path

    def signup(self, path: str) -> str:
        """An address of the sign-up role."""
        return self.current.signup.rstrip("/") + path

    def media(self, path: str) -> str:
        """An address of the media role; one that is complete stays as it is."""
        return urljoin(self.current.media.rstrip("/") + "/", path)
