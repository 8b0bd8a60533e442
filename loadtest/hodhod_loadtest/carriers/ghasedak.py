"""A carrier that speaks as Ghasedak does: JSON both ways, HTTP's own codes for refusals."""

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
    Answer.BROKEN: 500,
    Answer.NO_CREDIT: 402,
}
STATES: Final = {State.DELIVERED: 5, State.AT_OPERATOR: 3, State.UNKNOWN: 8}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[Route]:
    """The methods that codes need, below a path."""

    def send(request: Request) -> Reply:
        body = request.json
        text = " ".join(item["value"] for item in body["inputs"])
        phone = body["receptors"][0]["mobile"]
        answer, message_id = desk.take(phone, text)
        items = [{"messageId": message_id, "receptor": phone, "cost": 1.0}]
        return _answer(
            STATUSES[answer], items if answer is Answer.TAKEN else [], held_back_s(answer)
        )

    def check(request: Request) -> Reply:
        ids = request.query["Ids"].split(",")
        return _answer(
            200, [{"messageId": item, "status": STATES[desk.state(item)]} for item in ids]
        )

    def received(request: Request) -> Reply:
        line = request.query["lineNumber"]
        texts = [
            {"id": str(place), "sender": item.sender, "lineNumber": line, "message": item.text}
            for place, item in enumerate(desk.read(INBOX_MAX))
        ]
        return _answer(200, texts)

    return [
        Route("POST", f"{path}/SendOtpSMS", send),
        Route("GET", f"{path}/CheckSmsStatus", check),
        Route("GET", f"{path}/GetReceivedSmses", received),
    ]


def _answer(status: int, items: object, after_s: float = 0.0) -> Reply:
    told = {"isSuccess": status == 200, "statusCode": status, "data": {"items": items}}
    return json_reply(status, told, after_s)
