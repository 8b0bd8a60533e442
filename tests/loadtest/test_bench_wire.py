"""The generator speaks RFC 6455 itself: checked against the examples of the RFC."""

from __future__ import annotations

import base64
import random

import msgpack
import pytest

from hodhod_loadtest.bench import websocket
from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.flights import TEXT, TEXT_CHARS, Flight, Flights, Wire
from hodhod_loadtest.bench.websocket import FrameReader, WebSocketError

KEY = base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")  # RFC 6455 section 1.3
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def server_frame(payload: bytes) -> bytes:
    """As a server writes it: short, medium and long heads, no mask."""
    length = len(payload)
    if length < 126:
        head = bytes([length])
    elif length < 65_536:
        head = bytes([126]) + length.to_bytes(2)
    else:
        head = bytes([127]) + length.to_bytes(8)
    return bytes([0x80 | websocket.BINARY]) + head + payload


def test_a_client_frame_is_masked_as_in_the_example_of_the_rfc() -> None:
    frame = websocket.client_frame(websocket.TEXT, b"Hello", 0x37FA213D)
    assert frame == bytes.fromhex("818537fa213d7f9f4d5158")


def test_the_upgrade_is_accepted_for_our_key_only() -> None:
    websocket.require_upgraded(ACCEPTED, KEY)
    with pytest.raises(WebSocketError, match="another key"):
        websocket.require_upgraded(ACCEPTED, KEY[::-1])
    with pytest.raises(WebSocketError, match="401"):
        websocket.require_upgraded(b"HTTP/1.1 401 Unauthorized\r\n", KEY)


def test_frames_are_whole_however_the_bytes_are_cut() -> None:
    dice = random.Random(11)
    payloads = [dice.randbytes(size) for size in (0, 1, 125, 126, 65_535, 65_536, 3)]
    stream = b"".join(map(server_frame, payloads))
    for pieces in (1, 2, 7, 300):
        cuts = sorted(dice.randrange(len(stream)) for _ in range(pieces - 1))
        reader, frames = FrameReader(), []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            frames += reader.feed(stream[start:end])
        assert frames == [(websocket.BINARY, payload) for payload in payloads]


@pytest.mark.parametrize("head", ["0205", "0005", "8285", "c205"])
def test_fragments_masks_and_extensions_of_a_server_are_refused(head: str) -> None:
    with pytest.raises(WebSocketError):
        FrameReader().feed(bytes.fromhex(head))


# --- messages under way --------------------------------------------------------------------------


class Unconnected(Connection):
    """Takes what is written and says nothing."""

    def send_text(self, chat: int, number: int, text: str) -> None:
        self.number = number


@pytest.fixture
async def flights() -> Flights:
    return Flights()


def take_off(flights: Flights) -> tuple[int, Flight]:
    someone = Unconnected(Door("127.0.0.1", 1, "/"), "", flights)
    flight = flights.take_off(Wire(7, someone, someone), 0.0)
    return someone.number, flight


async def test_a_message_has_landed_when_it_is_durable_and_the_other_has_it(
    flights: Flights,
) -> None:
    landed: list[Flight] = []
    flights.on_landed = landed.append
    first, one = take_off(flights)
    second, other = take_off(flights)
    flights.sent(first)
    flights.received(second)
    assert landed == []
    flights.received(first)
    flights.sent(second)
    assert landed == [one, other]
    assert await flights.all_landed(0.0)


async def test_a_message_that_came_twice_fails_the_run(flights: Flights) -> None:
    number, _ = take_off(flights)
    flights.received(number)
    flights.received(number)
    with pytest.raises(BenchFailed, match="twice"):
        await flights.all_landed(0.0)


async def test_a_notice_is_no_message_that_came_twice(flights: Flights) -> None:
    number, _ = take_off(flights)
    someone = Connection(Door("127.0.0.1", 1, "/"), "", flights)
    someone._upgraded.set_result(None)
    for body in ({"t": "created", "title": "bench"}, {"t": "text", "text": TEXT}):
        event = {"t": "message", "chat": 7, "seq": 1, "client_id": number, "body": body}
        someone.data_received(server_frame(msgpack.packb({"t": "event", "event": event})))
    flights.sent(number)
    assert await flights.all_landed(0.0)


async def test_a_message_that_does_not_come_is_missed(flights: Flights) -> None:
    number, _ = take_off(flights)
    flights.sent(number)
    assert not await flights.all_landed(0.01)


async def test_an_overloaded_server_is_counted_and_any_other_refusal_fails_the_run(
    flights: Flights,
) -> None:
    flights.refused(take_off(flights)[0], "overloaded")
    assert flights.refusals == 1
    assert await flights.all_landed(0.0)
    flights.refused(take_off(flights)[0], "forbidden")
    with pytest.raises(BenchFailed, match="forbidden"):
        await flights.all_landed(0.0)


def test_texts_have_the_length_that_comparisons_need() -> None:
    assert len(TEXT) == TEXT_CHARS
