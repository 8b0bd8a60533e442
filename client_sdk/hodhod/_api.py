"""Requests to the `api` role, in the name of whoever is signed in.

What may be repeated is repeated when its answer was lost; what would then be done twice (founding
a group, making a link) is not, once it may have left. Always true: a refusal that asks to come back
within the deadline is waited for, and an access token that is not taken any more is renewed.
"""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._errors import ConnectionLost, Refused, TryLater
from hodhod._http import Call, Http
from hodhod_wire.errors import ErrorCode

T = TypeVar("T")
BUSY_S: Final = 1.0  # the wait after a refusal that names none


class Api:
    """Calls with the access token of this device."""

    def __init__(
        self, http: Http, account: Account, addresses: AddressBook, *, deadline_s: float
    ) -> None:
        self._http = http
        self._account = account
        self._addresses = addresses
        self._deadline_s = deadline_s

    async def ask(self, call: Call, shape: type[T]) -> T:
        """The answer. Raises `Refused`, `ConnectionLost`, `ServerNotUnderstood`, `SignedOut`."""
        busy: TryLater | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    try:
                        return await self._ask_once(call, shape)
                    except TryLater as error:
                        if (error.retry_after_s or 0.0) > self._deadline_s:
                            raise
                        busy = error
                    await asyncio.sleep(busy.retry_after_s or BUSY_S)
        except TimeoutError:
            raise busy or ConnectionLost(f"no answer within {self._deadline_s:g} s") from None

    async def _ask_once(self, call: Call, shape: type[T]) -> T:
        token = await self._account.access_token()
        url = self._addresses.api(call.path)
        try:
            return await self._http.call(call, url, shape, bearer=token)
        except Refused as error:
            if error.code != ErrorCode.UNAUTHENTICATED:
                raise
            token = await self._account.renew(token)
        return await self._http.call(call, url, shape, bearer=token)
