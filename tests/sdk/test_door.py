"""The SDK at the door: it waits as told, pays what is asked, and tells its caller how long."""

from __future__ import annotations

from typing import Any

import altcha
import msgspec

from hodhod._clock import ServerClock, SystemClock
from hodhod._door import enter
from hodhod._errors import ProofRequired, TryLater
from hodhod._http import Http
from hodhod._models import Eta
from hodhod._signup import Device, Standing, _Start

PLACE: dict[str, Any] = {"state": "waiting", "eta": {"p50": 4.0, "p90": 9.0}, "come_back_at": 0}
LET_IN = {"id": "x", "state": "sent", "channel": "sms"}


class ToldHttp(Http):
    """Answers what the test says, one after the other, and keeps what was asked."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def post(self, url: str, body: msgspec.Struct, shape: type[Any]) -> Any:
        self.asked.append(msgspec.to_builtins(body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return msgspec.Raw(msgspec.json.encode(answer))


async def _enter(http: Http, told: list[Eta]) -> Standing:
    body = _Start("+989123456789", "fa", Device("x", "python", "k"))
    clock = ServerClock(SystemClock())
    return await enter(http, clock, "u", body, shape=Standing, on_wait=told.append)


async def test_it_waits_with_its_newest_ticket_and_tells_how_long() -> None:
    early = TryLater("rate_limited", retry_after_s=0.01)
    http = ToldHttp({**PLACE, "ticket": "one"}, early, {**PLACE, "ticket": "two"}, LET_IN)
    told: list[Eta] = []
    assert (await _enter(http, told)).state == "sent"
    assert told == [Eta(4.0, 9.0), Eta(4.0, 9.0)]
    assert [asked.get("ticket") for asked in http.asked] == [None, "one", "one", "two"]


async def test_it_pays_what_is_asked() -> None:
    challenge = altcha.create_challenge(
        "PBKDF2/SHA-256", 10, counter=40, hmac_secret="a", hmac_key_secret="b"
    )
    priced = ProofRequired("proof_of_work_required")
    priced.puzzle = challenge.to_dict()
    http = ToldHttp(priced, LET_IN)
    await _enter(http, [])
    paid = altcha.verify_solution(http.asked[1]["proof"], "a", hmac_key_secret="b")
    assert paid.verified
