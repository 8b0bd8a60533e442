"""Whatever arrives is a valid frame or `InvalidFrame`: no other error, no memory, no content told.

The inputs are mutations of the golden vectors (cut, flipped, one member replaced, renamed, removed)
and what people who attack parsers send: lengths without data, depth, broken encodings, garbage.
"""

from __future__ import annotations

import json
import random
import traceback
import tracemalloc
from collections.abc import Iterator
from typing import Any, Final

import msgpack
import pytest

from hodhod_wire.codec import CODECS, JSON, MSGPACK, Codec, InvalidFrame
from hodhod_wire.events import EventHeader
from hodhod_wire.frames import GetChat, Hello, Ping
from hodhod_wire.limits import ID_MAX
from tests.wire import golden
from tests.wire.golden import Kind, Vector

Path = tuple[str | int, ...]
DEPTH: Final = 100_000
MARKER: Final = "marker-4b1d"
WRONG_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 1.0, 2.5, ID_MAX + 1, -(2**63), 2**64 - 1, float("nan"), float("inf")),
    *("", "1", MARKER, MARKER * 700, [], [[]], [MARKER], [MARKER] * 300),
    *({}, {MARKER: MARKER}, {"t": MARKER}, {"t": 1}, {"t": "text"}, {"t": "text", "text": 1}),
)
VECTORS: Final = [(kind, vector) for kind in golden.KINDS for vector in kind.read()]
each_vector = pytest.mark.parametrize(
    ("kind", "vector"), VECTORS, ids=[f"{kind.name}-{vector.name}" for kind, vector in VECTORS]
)
each_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
each_kind = pytest.mark.parametrize("kind", golden.KINDS, ids=lambda kind: kind.name)


def _bytes_of(vector: Vector, codec: Codec) -> bytes:
    return vector.packed if codec is MSGPACK else vector.json


def _write(value: Any, codec: Codec) -> bytes:
    if codec is MSGPACK:
        return bytes(msgpack.packb(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _decode_or_refuse(kind: Kind, codec: Codec, data: bytes) -> Any:
    """The value, after a check that it is one; `None` where it was refused as it should be."""
    try:
        value = kind.decode(codec, data)
    except InvalidFrame as error:
        _require_told_nothing(error)
        return None
    assert kind.decode(codec, codec.encode(value)) == value
    return value


def _require_told_nothing(error: InvalidFrame) -> None:
    """Neither the text nor what a log would print of it holds what was sent."""
    printed = "".join(traceback.format_exception(error))
    assert MARKER not in printed
    assert len(str(error)) < 200


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to every member of a value, however deep."""
    keys: Any = value if isinstance(value, dict) else ()
    if isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield (*path, key)
        yield from _paths(value[key], (*path, key))


def _copy(value: Any, path: Path) -> tuple[Any, Any]:
    """A deep copy, and the container within it that holds the path's last key."""
    copy = container = json.loads(json.dumps(value))
    for key in path[:-1]:
        container = container[key]
    return copy, container


@each_codec
@each_vector
def test_a_truncated_frame_is_refused(kind: Kind, vector: Vector, codec: Codec) -> None:
    whole = _bytes_of(vector, codec)
    for length in range(len(whole)):
        with pytest.raises(InvalidFrame):
            kind.decode(codec, whole[:length])


@each_codec
@each_vector
def test_a_frame_with_bytes_after_it_is_refused(kind: Kind, vector: Vector, codec: Codec) -> None:
    whole = _bytes_of(vector, codec)
    for rest in (b"\x00", b"\xc1", b"}", whole):
        with pytest.raises(InvalidFrame):
            kind.decode(codec, whole + rest)


@each_codec
@each_vector
def test_a_flipped_bit_gives_a_valid_frame_or_a_refusal(
    kind: Kind, vector: Vector, codec: Codec
) -> None:
    whole = bytearray(_bytes_of(vector, codec))
    for index in range(len(whole)):
        for bit in range(8):
            whole[index] ^= 1 << bit
            _decode_or_refuse(kind, codec, bytes(whole))
            whole[index] ^= 1 << bit


@each_codec
@each_vector
def test_a_member_of_a_wrong_type_gives_a_valid_frame_or_a_refusal(
    kind: Kind, vector: Vector, codec: Codec
) -> None:
    for path in _paths(vector.value):
        copy, container = _copy(vector.value, path)
        for wrong in WRONG_VALUES:
            container[path[-1]] = wrong
            _decode_or_refuse(kind, codec, _write(copy, codec))


@each_codec
@each_vector
def test_a_missing_or_misspelt_member_is_never_taken_for_the_whole(
    kind: Kind, vector: Vector, codec: Codec
) -> None:
    sample = kind.samples[vector.name](codec)
    for path in _paths(vector.value):
        is_only_event = kind is golden.EVENTS and path == ("t",)  # its tag is not needed to tell it
        if isinstance(path[-1], str) and not is_only_event:
            copy, container = _copy(vector.value, path)
            member = container.pop(path[-1])
            assert _decode_or_refuse(kind, codec, _write(copy, codec)) != sample
            container[MARKER] = member
            assert _decode_or_refuse(kind, codec, _write(copy, codec)) != sample


@each_codec
@each_vector
def test_members_of_a_later_version_are_ignored(kind: Kind, vector: Vector, codec: Codec) -> None:
    sample = kind.samples[vector.name](codec)
    for path in [(), *_paths(vector.value)]:
        if {"event", "events"} & set(path):
            continue  # an event stays encoded in its frame: there, every byte counts
        copy, container = _copy(vector.value, (*path, ""))
        if isinstance(container, dict):
            for later in WRONG_VALUES[:8]:
                container["later_than_this"] = later
                assert _decode_or_refuse(kind, codec, _write(copy, codec)) == sample


@each_codec
@each_vector
def test_members_may_come_in_any_order(kind: Kind, vector: Vector, codec: Codec) -> None:
    backwards = dict(reversed(list(vector.value.items())))
    assert kind.decode(codec, _write(backwards, codec)) == kind.samples[vector.name](codec)


@each_kind
@pytest.mark.parametrize(
    "head", [b"", b"\x82\xa1t\xa4ping\xa1x", b"\x82\xa1t\xa5event\xa5event"], ids=repr
)
@pytest.mark.parametrize("declared", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"], ids=repr)
def test_a_huge_declared_length_costs_no_memory(kind: Kind, head: bytes, declared: bytes) -> None:
    tracemalloc.start()
    try:
        assert _decode_or_refuse(kind, MSGPACK, head + declared + b"\xff\xff\xff\xff") is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\xa1t\xa4sync\xa9positions\xdd\xff\xff\xff\xff",
        b"\x83\xa1t\xa6synced\xa3ref\x01\xa5chats\xdd\xff\xff\xff\xff",
        b"\x84\xa1t\xa4page\xa3ref\x01\xa4chat\x01\xa6events\xdd\xff\xff\xff\xff",
        b"\x82\xa1t\xa5hello\xa5agent\xdb\xff\xff\xff\xff",
    ],
    ids=["sync", "synced", "page", "hello"],
)
@each_kind
def test_a_huge_length_in_a_known_member_costs_no_memory(kind: Kind, frame: bytes) -> None:
    test_a_huge_declared_length_costs_no_memory(kind, frame[:-5], frame[-5:-4])


@each_kind
@pytest.mark.parametrize("member", ["x", "event", "events", "body", "positions", "chats"])
@pytest.mark.parametrize("tag", ["ping", "event", "page", "send", "sync", "synced", "message"])
def test_a_hundred_thousand_levels_are_refused(kind: Kind, tag: str, member: str) -> None:
    opened = f'{{"t":"{tag}","ref":1,"chat":1,"{member}":'.encode()
    for inside in (b"[" * DEPTH, b"[" * DEPTH + b"]" * DEPTH + b"}", b'{"a":' * DEPTH):
        assert _decode_or_refuse(kind, JSON, opened + inside) is None
    packed = msgpack.packb({"t": tag, "ref": 1, "chat": 1, member: None})[:-1]
    for inside in (b"\x91" * DEPTH, b"\x91" * DEPTH + b"\xc0", b"\x81\xa1a" * DEPTH + b"\xc0"):
        assert _decode_or_refuse(kind, MSGPACK, packed + inside) is None


@each_kind
@each_codec
@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b"null", b"1", b"[]", b"{}", b'"t"', b"{'t':'ping'}", b'{"t":"ping",}'),
        *(b"\xc1", b"\xc0", b"\x01", b"\x90", b"\x80", b"\xa1t", b"\xff" * 9, b"\xef\xbb\xbf{}"),
    ],
    ids=repr,
)
def test_what_is_no_frame_is_refused(kind: Kind, codec: Codec, data: bytes) -> None:
    assert _decode_or_refuse(kind, codec, data) is None


@each_kind
@each_codec
def test_a_mebibyte_of_garbage_is_refused(kind: Kind, codec: Codec) -> None:
    dice = random.Random(20_261_123)
    for head in (b"", b'{"t":"ping","x":"', b"\x82\xa1t\xa4ping\xa1x"):
        assert _decode_or_refuse(kind, codec, head + dice.randbytes(1024 * 1024)) is None


@pytest.mark.parametrize(
    "literal",
    [
        *("1.0", "1.5", "1e2", "1e400", "-1", "-0", "0", "01", "0x1", "1_0", str(ID_MAX + 1)),
        *("9" * 5_000, "true", '"1"', "null", "NaN", "Infinity"),
    ],
    ids=lambda literal: literal[:20],
)
def test_only_an_integer_in_range_is_an_id(literal: str) -> None:
    with pytest.raises(InvalidFrame):
        JSON.decode_client(f'{{"t":"get_chat","ref":1,"chat":{literal}}}'.encode())


@each_codec
@pytest.mark.parametrize("chat", [1, ID_MAX])
def test_the_smallest_and_the_largest_id_are_ids(codec: Codec, chat: int) -> None:
    frame = codec.decode_client(_write({"t": "get_chat", "ref": 1, "chat": chat}, codec))
    assert frame == GetChat(ref=1, chat=chat)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (MSGPACK, b"\x82\xa1t\xa5hello\xa5agent\xa2\xff\xff"),
        (MSGPACK, b"\x82\xa1t\xa5hello\xa5agent\xa3\xed\xa0\x80"),
        (MSGPACK, b"\x81\xa1t\xa2\xff\xff"),
        (JSON, b'{"t":"hello","agent":"\xff"}'),
        (JSON, b'{"t":"hello","agent":"\xed\xa0\x80"}'),
        (JSON, rb'{"t":"hello","agent":"\ud800"}'),
        (JSON, rb'{"t":"hello","agent":"\udc00x"}'),
        (JSON, rb'{"t":"hello","agent":"\ud800\ud800"}'),
        (JSON, b'{"t":"hello","agent":"a\nb"}'),
    ],
)
def test_text_is_valid_unicode_or_refused(codec: Codec, data: bytes) -> None:
    with pytest.raises(InvalidFrame):
        codec.decode_client(data)


def test_an_event_of_invalid_text_keeps_its_position() -> None:
    whole = MSGPACK.encode(golden.EVENTS.samples["message"](MSGPACK))
    broken = whole.replace("سلام".encode(), b"\xff" * 8)
    assert MSGPACK.decode_event(broken) == EventHeader(chat=7, seq=42)


def test_a_surrogate_pair_is_one_character() -> None:
    data = rb'{"t":"hello","agent":"\ud83d\ude00"}'
    assert JSON.decode_client(data) == Hello(agent="😀")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"t":"get_chat","chat":1,"chat":2}', GetChat(chat=2)),
        (b'{"t":"ping","t":"ping"}', Ping()),
        (b'{"t":"ping","t":"get_chat","chat":2}', None),
        (b'{"t":"get_chat","chat":2,"t":"ping"}', None),
    ],
)
def test_of_a_member_that_comes_twice_the_last_counts_and_tags_must_agree(
    data: bytes, expected: Any
) -> None:
    assert _decode_or_refuse(golden.CLIENT, JSON, data) == expected


@each_codec
@pytest.mark.parametrize(
    ("frame", "ref"),
    [
        ({"t": MARKER, "ref": 5}, 5),
        ({"ref": ID_MAX}, ID_MAX),
        ({"t": "get_chat", "chat": MARKER, "ref": 5}, 5),
        ({"t": "get_chat", "chat": MARKER, "ref": MARKER}, 0),
        ({"t": "get_chat", "chat": MARKER, "ref": -1}, 0),
        ({"t": "get_chat"}, 0),
        ([], 0),
    ],
    ids=repr,
)
def test_a_refusal_knows_the_request_as_far_as_it_can_be_read(
    codec: Codec, frame: Any, ref: int
) -> None:
    with pytest.raises(InvalidFrame) as refusal:
        codec.decode_client(_write(frame, codec))
    assert refusal.value.ref == ref


@pytest.mark.parametrize("key", [1, None, b"t", 1.5, True, (1,)], ids=repr)
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    data = b"\x82" + msgpack.packb("t") + msgpack.packb("ping") + msgpack.packb(key) + b"\x01"
    assert _decode_or_refuse(golden.CLIENT, MSGPACK, data) is None
