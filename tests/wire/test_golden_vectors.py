"""The bytes on the wire are a promise: three readers of the same vectors have to agree.

Mend a failure by restoring the bytes. A change that is meant is a new version of the contract
(`hodhod_wire/version.py`); a new frame needs a sample and `python -m tests.wire.golden`.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
import pytest
from msgspec import Raw

from hodhod_wire.codec import JSON, MSGPACK, events_as_json
from tests.wire import golden, strategies
from tests.wire.golden import Kind, Vector

VECTORS: Final = [(kind, vector) for kind in golden.KINDS for vector in kind.read()]
each_vector = pytest.mark.parametrize(
    ("kind", "vector"), VECTORS, ids=[f"{kind.name}-{vector.name}" for kind, vector in VECTORS]
)


@each_vector
def test_a_sample_is_encoded_to_the_very_bytes_of_its_vector(kind: Kind, vector: Vector) -> None:
    sample = kind.samples[vector.name]
    assert MSGPACK.encode(sample(MSGPACK)) == vector.packed
    assert JSON.encode(sample(JSON)) == vector.json


@each_vector
def test_a_vector_is_decoded_to_its_sample(kind: Kind, vector: Vector) -> None:
    sample = kind.samples[vector.name]
    assert kind.decode(MSGPACK, vector.packed) == sample(MSGPACK)
    assert kind.decode(JSON, vector.json) == sample(JSON)


@each_vector
def test_an_independent_library_reads_and_writes_the_same_bytes(kind: Kind, vector: Vector) -> None:
    assert msgpack.unpackb(vector.packed) == vector.value
    assert msgpack.packb(vector.value) == vector.packed


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        (golden.CLIENT, strategies.CLIENT_FRAMES),
        (golden.SERVER, strategies.SERVER_FRAMES),
        (golden.EVENTS, strategies.EVENTS),
        (golden.BODIES, strategies.BODIES),
    ],
    ids=[kind.name for kind in golden.KINDS],
)
def test_every_tag_has_a_vector_of_its_name(kind: Kind, classes: tuple[Any, ...]) -> None:
    tags = [cls.__struct_config__.tag for cls in classes]
    vectors = {vector.name: vector.value["t"] for vector in kind.read()}
    assert len(set(tags)) == len(tags), "two structs share a tag"
    for tag in tags:
        assert vectors.get(tag) == tag, f"add a sample named {tag!r} to samples.py"


@pytest.mark.parametrize("kind", golden.KINDS, ids=lambda kind: kind.name)
def test_vectors_and_samples_have_the_same_names(kind: Kind) -> None:
    names = [vector.name for vector in kind.read()]
    assert names == list(kind.samples), "run `python -m tests.wire.golden`, in the samples' order"


@pytest.mark.parametrize("vector", golden.EVENTS.read(), ids=lambda vector: vector.name)
def test_a_stored_event_becomes_the_json_of_the_same_event(vector: Vector) -> None:
    assert events_as_json([Raw(vector.packed)]) == [Raw(vector.json)]


@pytest.mark.parametrize("vector", golden.SERVER.read(), ids=lambda vector: vector.name)
def test_a_frame_with_stored_events_is_sent_in_either_encoding(vector: Vector) -> None:
    frame = MSGPACK.decode_server(vector.packed)
    assert MSGPACK.encode_server(frame) == vector.packed
    assert JSON.encode_server(frame) == vector.json
