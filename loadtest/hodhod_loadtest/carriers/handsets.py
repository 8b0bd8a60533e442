"""The phones behind the carriers: texts arrive when the carrier's law says so.

Only numbers that somebody waits for are kept; a text to anybody else is counted and forgotten.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_CODE: Final = re.compile(r"\d{6}")


class Arrival:
    """That something has come. An `asyncio.Event` without the queue that each of those carries."""

    __slots__ = ("_is_set", "_waiting", "ring")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: asyncio.Future[None] | None = None
        self.ring: Callable[[], None] | None = None
        """Called each time, for who would rather not wait."""

    def set(self) -> None:
        """It has come, or something more has."""
        self._is_set = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        if self.ring is not None:
            self.ring()

    async def wait(self) -> None:
        """Until it has come. All who wait share one future."""
        if self._is_set:
            return
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiting)


@dataclass(slots=True)
class Handset:
    """One phone. `codes` are those of all texts, in the order of their arrival."""

    codes: list[str] = field(default_factory=list)
    arrived: Arrival = field(default_factory=Arrival)
    first_at_s: float | None = None

    def show(self, text: str, now_s: float) -> None:
        """A text is there."""
        found = _CODE.search(text)
        if found is None:
            return
        self.codes.append(found[0])
        if self.first_at_s is None:
            self.first_at_s = now_s
        self.arrived.set()


class Handsets:
    """All phones, by number as `9…` without country code."""

    def __init__(self) -> None:
        self._handsets: dict[str, Handset] = {}
        self.shown: set[str] = set()
        """All codes that somebody was shown."""
        self.texts = 0
        self.strays = 0

    def open(self, phone: str) -> Handset:
        """Somebody looks at their phone from now on."""
        return self._handsets.setdefault(_short(phone), Handset())

    def close(self, phone: str) -> None:
        """They look no more."""
        self._handsets.pop(_short(phone), None)

    def send(self, phone: str, text: str, after_s: float) -> None:
        """A text that arrives so much later."""
        asyncio.get_running_loop().call_later(after_s, self._arrive, _short(phone), text)

    def _arrive(self, phone: str, text: str) -> None:
        self.texts += 1
        handset = self._handsets.get(phone)
        if handset is None:
            self.strays += 1
        else:
            handset.show(text, time.monotonic())
            self.shown.update(handset.codes[-1:])


def _short(phone: str) -> str:
    return phone[-10:]
