"""A carrier that speaks as SMS.ir does: a key in a header, nothing told unless asked."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_loadtest.carriers.desk import Desk, State
from hodhod_loadtest.carriers.law import Answer

STATUSES: Final = {
    Answer.TAKEN: 1,
    Answer.HANGING: 1,
    Answer.THROTTLED: 20,
    Answer.BROKEN: 0,
    Answer.NO_CREDIT: 102,
}
STATES: Final = {State.DELIVERED: 1, State.AT_OPERATOR: 5, State.UNKNOWN: 3}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[web.RouteDef]:
    """The methods that codes need, below a path."""

    async def verify(request: web.Request) -> web.Response:
        body = await request.json()
        text = " ".join(item["value"] for item in body["parameters"])
        answer, message_id = await desk.take(body["mobile"], text)
        data = {"messageId": int(message_id), "cost": 1.0} if answer is Answer.TAKEN else None
        return _answer(STATUSES[answer], data)

    async def state(request: web.Request) -> web.Response:
        told = desk.state(request.match_info["message"])
        return _answer(1, {"deliveryState": STATES[told]})

    async def latest(_: web.Request) -> web.Response:
        texts = [
            {"mobile": item.sender, "number": 3000, "messageText": item.text}
            for item in desk.read(INBOX_MAX)
        ]
        return _answer(1, texts)

    return [
        web.post(f"{path}/send/verify", verify),
        web.get(f"{path}/send/{{message}}", state),
        web.get(f"{path}/receive/latest", latest),
    ]


def _answer(status: int, data: object) -> web.Response:
    told = {"status": status, "message": "", "data": data}
    return web.json_response(told, status={0: 500, 20: 429}.get(status, 200))
