"""A carrier that speaks as Kavenegar does: the key in the path, its own status in the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from hodhod_loadtest.carriers.desk import Desk, State
from hodhod_loadtest.carriers.law import Answer

STATUSES: Final = {
    Answer.TAKEN: 200,
    Answer.HANGING: 200,
    Answer.THROTTLED: 429,
    Answer.BROKEN: 409,
    Answer.NO_CREDIT: 418,
}
STATES: Final = {State.DELIVERED: 10, State.AT_OPERATOR: 4, State.UNKNOWN: 100}
INBOX_MAX: Final = 100


def routes(path: str, desk: Desk) -> list[web.RouteDef]:
    """The methods that codes need, below a path."""

    async def lookup(request: web.Request) -> web.Response:
        form = await _fields(request)
        answer, message_id = await desk.take(form["receptor"], form["token"])
        entry = {"messageid": int(message_id), "status": 5, "cost": 1200}
        return _answer(STATUSES[answer], [entry] if answer is Answer.TAKEN else [])

    async def status(request: web.Request) -> web.Response:
        ids = (await _fields(request))["messageid"].split(",")
        states = [{"messageid": int(item), "status": STATES[desk.state(item)]} for item in ids]
        return _answer(200, states)

    async def receive(request: web.Request) -> web.Response:
        line = (await _fields(request))["linenumber"]
        texts = [
            {"messageid": place, "sender": item.sender, "receptor": line, "message": item.text}
            for place, item in enumerate(desk.read(INBOX_MAX))
        ]
        return _answer(200, texts)

    return [
        web.route("*", f"{path}/{{key}}/verify/lookup.json", lookup),
        web.route("*", f"{path}/{{key}}/sms/status.json", status),
        web.route("*", f"{path}/{{key}}/sms/receive.json", receive),
    ]


async def _fields(request: web.Request) -> Mapping[str, str]:
    form = await request.post()
    return {**request.query, **{name: str(value) for name, value in form.items()}}


def _answer(status: int, entries: object) -> web.Response:
    told = {"return": {"status": status, "message": ""}, "entries": entries}
    return web.json_response(told, status=status)
