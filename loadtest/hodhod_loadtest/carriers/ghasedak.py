"""A carrier that speaks as Ghasedak does: JSON both ways, HTTP's own codes for refusals."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_loadtest.carriers.desk import Desk, State
from hodhod_loadtest.carriers.law import Answer

STATUSES: Final = {
    Answer.TAKEN: 200,
    Answer.HANGING: 200,
    Answer.THROTTLED: 429,
    Answer.BROKEN: 500,
    Answer.NO_CREDIT: 402,
}
STATES: Final = {State.DELIVERED: 5, State.AT_OPERATOR: 3, State.UNKNOWN: 8}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[web.RouteDef]:
    """The methods that codes need, below a path."""

    async def send(request: web.Request) -> web.Response:
        body = await request.json()
        text = " ".join(item["value"] for item in body["inputs"])
        phone = body["receptors"][0]["mobile"]
        answer, message_id = await desk.take(phone, text)
        items = [{"messageId": message_id, "receptor": phone, "cost": 1.0}]
        return _answer(STATUSES[answer], items if answer is Answer.TAKEN else [])

    async def check(request: web.Request) -> web.Response:
        ids = request.query["Ids"].split(",")
        return _answer(
            200, [{"messageId": item, "status": STATES[desk.state(item)]} for item in ids]
        )

    async def received(request: web.Request) -> web.Response:
        line = request.query["lineNumber"]
        texts = [
            {"id": str(place), "sender": item.sender, "lineNumber": line, "message": item.text}
            for place, item in enumerate(desk.read(INBOX_MAX))
        ]
        return _answer(200, texts)

    return [
        web.post(f"{path}/SendOtpSMS", send),
        web.get(f"{path}/CheckSmsStatus", check),
        web.get(f"{path}/GetReceivedSmses", received),
    ]


def _answer(status: int, items: object) -> web.Response:
    told = {"isSuccess": status == 200, "statusCode": status, "data": {"items": items}}
    return web.json_response(told, status=status)
