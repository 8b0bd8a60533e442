"""The public face: what `from hodhod import …` offers, and nothing by accident."""

from __future__ import annotations

import re
from types import ModuleType

import msgspec

import hodhod
from hodhod import _errors
from hodhod import testing as public_testing
from hodhod._outbox import Pending
from hodhod._signup import Device, _Start, _Verify
from hodhod._state import Credentials, State
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode
from hodhod_wire.frames import OpenChat


def _public(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    ]


def test_all_public_names_are_listed_in_order() -> None:
    assert hodhod.__all__ == sorted(hodhod.__all__)
    assert sorted(_public(hodhod)) == hodhod.__all__
    assert public_testing.__all__ == sorted(public_testing.__all__)


def test_every_public_thing_explains_itself() -> None:
    for name in set(hodhod.__all__) - {"Event"}:
        thing = getattr(hodhod, name)
        assert thing.__doc__, name
        for method, value in vars(thing).items():
            if not method.startswith("_") and (callable(value) or isinstance(value, property)):
                assert value.__doc__, f"{name}.{method}"


def test_all_exceptions_are_public_and_in_the_drawn_tree() -> None:
    kinds = {
        name
        for name, value in vars(_errors).items()
        if isinstance(value, type) and issubclass(value, hodhod.HodhodError)
    }
    assert kinds <= set(hodhod.__all__)
    drawn = set(re.findall(r"[A-Z]\w+", _errors.__doc__ or ""))
    assert kinds <= drawn


def test_every_code_of_the_contract_has_its_exception() -> None:
    assert set(_errors.CLASSES) == set(ErrorCode)
    for code, text in ERROR_TEXTS.items():
        assert (_errors.CLASSES[code] is hodhod.TryLater) == text.may_retry, code


def test_a_code_of_a_later_server_is_understood_by_its_manner() -> None:
    assert type(_errors.refusal("from_the_future")) is hodhod.Refused
    later = _errors.refusal("from_the_future", retry_after_s=3.0)
    assert isinstance(later, hodhod.TryLater)
    assert later.retry_after_s == 3.0


def test_no_secret_is_in_a_repr() -> None:
    secret = "9123456789"
    members = {"user": 1, "device": 2, "name": "Sara", "is_new": True, "access_expires_at": 1}
    tokens = {"access_token": secret, "refresh_token": secret, "refresh_expires_at": 1}
    credentials = msgspec.convert(members | tokens, Credentials)
    state = State(url="http://host", device_key=secret, credentials=credentials)
    pending = Pending(client_id=1, chat=1, body=hodhod.Text(secret))
    message = hodhod.Message(chat=1, seq=1, sender=1, client_id=1, at=1, body=pending.body)
    requests = (_Start(secret, "fa", Device("", "", "")), _Verify(secret, secret))
    terms = {"created_by": 1, "uses": 0, "expires_at": None, "uses_max": None}
    named = {"link": 1, "token": secret, "requires_approval": False}
    link = msgspec.convert(named | terms, hodhod.InviteLink)
    values = (credentials, state, pending, message, link, *requests, OpenChat(phone=secret))
    for value in values:
        assert secret not in repr(value), type(value)
