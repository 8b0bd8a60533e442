"""A carrier that speaks as SMS.ir does: a key in a header, nothing told unless asked."""

from __future__ import annotations

from typing import Final

from hodhod_loadtest.carriers.desk import Desk, State, held_back_s
from hodhod_loadtest.carriers.law import Answer
from hodhod_loadtest.http.routes import Route
from hodhod_loadtest.http.server import Reply, Request, json_reply

STATUSES: Final = {
    Answer.TAKEN: 1,
    Answer.HANGING: 1,
    Answer.THROTTLED: 20,
    Answer.BROKEN: 0,
    Answer.NO_CREDIT: 102,
}
STATES: Final = {State.DELIVERED: 1, State.AT_OPERATOR: 5, State.UNKNOWN: 3}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[Route]:
    """The methods that codes need, below a path."""

    def verify(request: Request) -> Reply:
        body = request.json
        text = " ".join(item["value"] for item in body["parameters"])
        answer, message_id = desk.take(body["mobile"], text)
        data = {"messageId": int(message_id), "cost": 1.0} if answer is Answer.TAKEN else None
        return _answer(STATUSES[answer], data, held_back_s(answer))

    def state(request: Request) -> Reply:
        told = desk.state(request.path.rpartition("/")[2])
        return _answer(1, {"deliveryState": STATES[told]})

    def latest(_: Request) -> Reply:
        texts = [
            {"mobile": item.sender, "number": 3000, "messageText": item.text}
            for item in desk.read(INBOX_MAX)
        ]
        return _answer(1, texts)

    return [
        Route("POST", f"{path}/send/verify", verify),
        Route("GET", f"{path}/send/*", state),
        Route("GET", f"{path}/receive/latest", latest),
    ]


def _answer(status: int, data: object, after_s: float = 0.0) -> Reply:
    told = {"status": status, "message": "", "data": data}
    return json_reply({0: 500, 20: 429}.get(status, 200), told, after_s)
