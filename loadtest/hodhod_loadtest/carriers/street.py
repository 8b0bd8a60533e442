"""Several carriers on one port, each below its own path, with the handsets they reach.

`settings()` is what a server's `HODHOD__SIGNUP__PROVIDERS` says to be connected with all of them.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.carriers import ghasedak, kavenegar, smsir
from hodhod_loadtest.carriers.desk import Desk, Handed
from hodhod_loadtest.carriers.handsets import Handsets
from hodhod_loadtest.carriers.law import Carrier, Law
from hodhod_loadtest.http.routes import Routes
from hodhod_loadtest.http.server import serve

OUR_LINE: Final = "+983000"
SPEAKING: Final = {
    "kavenegar": kavenegar.routes,
    "smsir": smsir.routes,
    "ghasedak": ghasedak.routes,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One carrier: what it speaks, how it behaves, and what it was agreed to take."""

    name: str
    kind: str
    law: Law
    agreed_per_s: float = 200.0
    channel: str = "sms"
    listens: bool = False
    """Do people's texts to our line come by this one?"""


class Street:
    """Carriers that are open."""

    def __init__(self, lines: Sequence[Line], handsets: Handsets, seed: int) -> None:
        self.handsets = handsets
        self._lines = lines
        self.desks = {
            line.name: Desk(Carrier(line.law, random.Random(f"{seed} {line.name}")), handsets)
            for line in lines
        }
        self.port = 0

    @property
    def sent(self) -> dict[str, int]:
        """Messages taken, by carrier."""
        return {name: desk.carrier.taken for name, desk in self.desks.items()}

    @property
    def handed(self) -> list[Handed]:
        """The messages themselves, of all carriers, in the order in which they were taken."""
        return self._taken_by(list(self.desks))

    @property
    def texts(self) -> list[Handed]:
        """The same without calls."""
        return self._taken_by([line.name for line in self._lines if line.channel == "sms"])

    @property
    def keys(self) -> list[str]:
        """What a server shows to be served."""
        return [_key_of(line) for line in self._lines]

    def _taken_by(self, carriers: Sequence[str]) -> list[Handed]:
        each = [self.desks[name].handed for name in carriers]
        return sorted((item for handed in each for item in handed), key=lambda item: item.at_s)

    def begin(self) -> None:
        """The laws' time starts now."""
        for desk in self.desks.values():
            desk.begin()

    def hear(self, sender: str, text: str) -> None:
        """Somebody sends a text to our line."""
        for line in self._lines:
            if line.listens:
                self.desks[line.name].hear(sender, text)

    def settings(self) -> str:
        """The server's providers, as JSON."""
        return json.dumps([self._setting(line) for line in self._lines])

    def _setting(self, line: Line) -> dict[str, object]:
        template: str = "1"
        told: dict[str, object] = {
            "name": line.name,
            "kind": line.kind,
            "base_url": f"http://127.0.0.1:{self.port}/{line.name}",
            "api_key": _key_of(line),
            "rate_per_s": line.agreed_per_s,
            "in_flight_max": 1000,
            "templates": {"generic": template},
        }
        if line.channel != "sms":
            told["channel"] = line.channel
        if line.listens:
            told.update({"reads_inbox": True} if line.kind == "smsir" else {"line": OUR_LINE})
        return told

    def routes(self) -> Routes:
        """All carriers."""
        return Routes(
            route
            for line in self._lines
            for route in SPEAKING[line.kind](f"/{line.name}", self.desks[line.name])
        )


def _key_of(line: Line) -> str:
    return f"no-key-but-secret-{line.name}"


@contextlib.asynccontextmanager
async def open_street(lines: Sequence[Line], seed: int, port: int = 0) -> AsyncIterator[Street]:
    """Open all of them on one port, a free one unless it is named, on loopback."""
    street = Street(lines, Handsets(), seed)
    async with serve(street.routes(), port=port) as street.port:
        yield street
