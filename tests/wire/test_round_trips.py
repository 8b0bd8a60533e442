"""Whatever the contract allows survives both encodings, and means the same in both."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct

from hodhod_wire.codec import JSON, MSGPACK, Codec
from hodhod_wire.events import Message, OpaqueMessage
from tests.wire import strategies

Decode = Callable[[Codec, bytes], Any]
SHAPES: Final[list[tuple[type[Struct], Decode]]] = [
    *[(cls, Codec.decode_client) for cls in strategies.CLIENT_FRAMES],
    *[(cls, Codec.decode_server) for cls in strategies.SERVER_FRAMES],
    *[(cls, Codec.decode_event) for cls in strategies.EVENTS],
    *[(cls, Codec.decode_body) for cls in strategies.BODIES],
]
each_shape = pytest.mark.parametrize(
    ("cls", "decode"), SHAPES, ids=[f"{cls.__module__}.{cls.__name__}" for cls, _ in SHAPES]
)
some_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@each_shape
@pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
@some_examples
@given(data=st.data())
def test_what_is_encoded_is_decoded_again(
    cls: type[Struct], decode: Decode, codec: Codec, data: st.DataObject
) -> None:
    value = data.draw(strategies.values(cls, codec))
    assert decode(codec, codec.encode(value)) == value


@each_shape
@some_examples
@given(data=st.data())
def test_both_encodings_are_the_same_map(
    cls: type[Struct], decode: Decode, data: st.DataObject
) -> None:
    value = data.draw(strategies.values(cls, MSGPACK))
    as_map = msgpack.unpackb(MSGPACK.encode(value))
    as_json = json.dumps(as_map).encode()  # escaped, spaced: written by nobody of ours
    from_json = decode(JSON, as_json)
    assert type(from_json) is cls
    assert json.loads(JSON.encode(from_json)) == as_map


@some_examples
@given(message=strategies.values(Message, MSGPACK))
@pytest.mark.parametrize("codec", [MSGPACK, JSON], ids=["msgpack", "json"])
def test_a_message_with_an_encoded_body_has_the_bytes_of_the_message(
    codec: Codec, message: Message
) -> None:
    opaque = OpaqueMessage(
        chat=message.chat,
        seq=message.seq,
        sender=message.sender,
        client_id=message.client_id,
        at=message.at,
        body=Raw(codec.encode(message.body)),
    )
    assert codec.encode(opaque) == codec.encode(message)
    assert codec.decode_event(codec.encode(opaque)) == message


def test_an_encoded_body_has_the_members_of_a_message_in_their_order() -> None:
    assert OpaqueMessage.__struct_fields__ == Message.__struct_fields__
    assert OpaqueMessage.__struct_config__.tag == Message.__struct_config__.tag
