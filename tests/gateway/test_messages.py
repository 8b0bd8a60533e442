"""The frames that the gateway writes itself are those of RFC 6455."""

from __future__ import annotations

import pytest

from hodhod_loadtest.bench.websocket import BINARY, TEXT, FrameReader
from hodhod_server.gateway.messages import Messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 300_000])
@pytest.mark.parametrize(("binary", "opcode"), [(True, BINARY), (False, TEXT)])
def test_an_independent_reader_gets_the_payload_back(size: int, binary: bool, opcode: int) -> None:
    payload = b"x" * size
    assert list(FrameReader().feed(Messages(binary=binary).of(payload))) == [(opcode, payload)]


def test_the_same_payload_is_the_same_message() -> None:
    messages = Messages(binary=True)
    payload = b"salaam"
    assert messages.of(payload) is messages.of(payload)
    assert messages.of(b"other") != messages.of(payload)
