"""A carrier that speaks as Kavenegar does: the key in the path, its own status in the answer."""

from __future__ import annotations

from typing import Final

from hodhod_loadtest.carriers.desk import Desk, State, held_back_s
from hodhod_loadtest.carriers.law import Answer
from hodhod_loadtest.http.routes import Route
from hodhod_loadtest.http.server import Reply, Request, json_reply

STATUSES: Final = {
    Answer.TAKEN: 200,
    Answer.HANGING: 200,
    Answer.THROTTLED: 429,
    Answer.BROKEN: 409,
    Answer.NO_CREDIT: 418,
}
STATES: Final = {State.DELIVERED: 10, State.AT_OPERATOR: 4, State.UNKNOWN: 100}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[Route]:
    """The methods that codes need, below a path."""

    def lookup(request: Request) -> Reply:
        form = request.fields
        answer, message_id = desk.take(form["receptor"], form["token"])
        entry = {"messageid": int(message_id), "status": 5, "cost": 1200}
        return _answer(
            STATUSES[answer], [entry] if answer is Answer.TAKEN else [], held_back_s(answer)
        )

    def status(request: Request) -> Reply:
        ids = request.fields["messageid"].split(",")
        states = [{"messageid": int(item), "status": STATES[desk.state(item)]} for item in ids]
        return _answer(200, states)

    def receive(request: Request) -> Reply:
        line = request.fields["linenumber"]
        texts = [
            {"messageid": place, "sender": item.sender, "receptor": line, "message": item.text}
            for place, item in enumerate(desk.read(INBOX_MAX))
        ]
        return _answer(200, texts)

    return [
        Route("*", f"{path}/*/verify/lookup.json", lookup),
        Route("*", f"{path}/*/sms/status.json", status),
        Route("*", f"{path}/*/sms/receive.json", receive),
    ]


def _answer(status: int, entries: object, after_s: float = 0.0) -> Reply:
    told = {"return": {"status": status, "message": ""}, "entries": entries}
    return json_reply(status, told, after_s)
