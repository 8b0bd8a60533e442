"""An answer in the very moment of the deadline: on virtual time such moments can be made."""

from __future__ import annotations

import asyncio
import random

import pytest

from hodhod._keeper import Keeper
from hodhod._line import Line
from hodhod._outbox import Outbox, Pending
from hodhod._session import Kept, Session
from hodhod._transport import Connection
from hodhod_wire.events import Text
from hodhod_wire.frames import Sent
from tests.simulation.device import URL, SignedIn
from tests.simulation.virtual_time import ROUND_S, VirtualTimeLoop

DEADLINE_S = 20.0


async def never(token: str) -> Connection:
    raise AssertionError


@pytest.mark.parametrize("apart_s", [-ROUND_S / 2, ROUND_S / 2], ids=["just before", "just after"])
def test_a_message_that_is_acknowledged_at_its_deadline_is_returned(apart_s: float) -> None:
    async def send() -> int:
        loop, dice = asyncio.get_running_loop(), random.Random(1)
        session = Session(7, outbox=Outbox(), kept={1: Kept(0)}, knows_all=True, dice=dice)
        line = Line(
            session, SignedIn("7.1"), Keeper(None, URL), never, deadline_s=DEADLINE_S, dice=dice
        )

        def answer() -> None:
            session.take_sent(5, Sent(ref=2, chat=1, seq=1, at=1), loop.time())
            line.changed()

        loop.call_at(loop.time() + DEADLINE_S + apart_s, answer)
        return (await line.send(Pending(client_id=5, chat=1, body=Text("hi")))).seq

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(send()) == 1
