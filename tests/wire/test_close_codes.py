"""A close code tells by its range what a client does next, so that unknown ones are understood."""

from __future__ import annotations

import pytest

from hodhod_wire.close_codes import AfterClose, CloseCode, after_close


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (range(1000, 1016), AfterClose.RECONNECT),
        (range(3000, 4000), AfterClose.RECONNECT),
        (range(4000, 4400), AfterClose.RECONNECT),
        (range(4400, 4500), AfterClose.REFRESH_THEN_RECONNECT),
        (range(4500, 5000), AfterClose.STOP),
    ],
    ids=["protocol", "registered", "reconnect", "refresh", "stop"],
)
def test_the_range_decides(codes: range, expected: AfterClose) -> None:
    assert {after_close(code) for code in codes} == {expected}


def test_a_link_that_broke_without_a_code_is_made_again() -> None:
    assert after_close(None) is AfterClose.RECONNECT


@pytest.mark.parametrize("code", CloseCode)
def test_our_codes_are_in_the_private_range(code: CloseCode) -> None:
    assert 4000 <= code <= 4999


def test_each_code_is_in_the_range_of_what_it_asks_for() -> None:
    assert {code: after_close(code) for code in CloseCode} == {
        CloseCode.GOING_AWAY: AfterClose.RECONNECT,
        CloseCode.SLOW_CONSUMER: AfterClose.RECONNECT,
        CloseCode.HELLO_TIMEOUT: AfterClose.RECONNECT,
        CloseCode.OVERLOADED: AfterClose.RECONNECT,
        CloseCode.TOKEN_REJECTED: AfterClose.REFRESH_THEN_RECONNECT,
        CloseCode.SESSION_ENDED: AfterClose.STOP,
        CloseCode.TOO_MANY_ERRORS: AfterClose.STOP,
    }
