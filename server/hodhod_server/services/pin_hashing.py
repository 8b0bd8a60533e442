"""Hashing PINs in threads of their own: one takes longer than an event loop may stand still.

Always true: no more than the settings allow are hashed or wait; one more is refused, not queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.pins import Pin
from hodhod_server.settings import ReturningSettings

T = TypeVar("T")
MEMORY_KIB: Final = 19 * 1024  # with two passes: what OWASP names as the least for Argon2id
PASSES: Final = 2
RETRY_AFTER_S: Final = 1.0


class PinHasher:
    """The threads of one process that hash PINs."""

    def __init__(self, keys: Keys, settings: ReturningSettings) -> None:
        self._key = keys.pin
        self._argon2 = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(settings.hashers_max, thread_name_prefix="pins")
        self._under_way_max = settings.hashers_max + settings.hashes_waiting_max
        self._under_way = 0

    async def hash(self, pin: Pin, user: UserId) -> str:
        """What is stored of a PIN. Raises `Overloaded`."""
        keyed = pin.keyed(self._key, user)
        return await self._in_thread(lambda: self._argon2.hash(keyed))

    async def is_right(self, pin: Pin, user: UserId, stored: str) -> bool:
        """Is it the PIN that was stored? Raises `Overloaded`."""
        keyed = pin.keyed(self._key, user)
        return await self._in_thread(lambda: self._verify(stored, keyed))

    def _verify(self, stored: str, keyed: bytes) -> bool:
        try:
            return self._argon2.verify(stored, keyed)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._under_way_max:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1
