"""Golden vectors: the bytes that the wire contract promised, kept in `golden/*.json`.

`python -m tests.wire.golden` writes the vectors of new samples. A vector that exists is never
changed by it: bytes that differ are a broken promise, and a promise is taken back by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hodhod_wire.codec import JSON, MSGPACK, Codec
from tests.wire import samples
from tests.wire.samples import Sample

DIRECTORY: Final = Path(__file__).with_name("golden")


class Vector(msgspec.Struct, frozen=True):
    """One value: as the JSON object and as MessagePack in hex."""

    name: str
    value: dict[str, Any]
    msgpack: str

    @property
    def packed(self) -> bytes:
        """The MessagePack bytes."""
        return bytes.fromhex(self.msgpack)

    @property
    def json(self) -> bytes:
        """The JSON text: no spaces, letters as they are, members in their order."""
        return json.dumps(self.value, ensure_ascii=False, separators=(",", ":")).encode()


class Kind(msgspec.Struct, frozen=True):
    """A file of vectors, the samples it is written from, and how its values are read."""

    name: str
    samples: Mapping[str, Sample]
    decode: Callable[[Codec, bytes], Any]

    @property
    def path(self) -> Path:
        return DIRECTORY / f"{self.name}.json"

    def read(self) -> list[Vector]:
        """The vectors on disk, in their order; none where the file is missing."""
        if not self.path.exists():
            return []
        return msgspec.json.decode(self.path.read_bytes(), type=list[Vector])


CLIENT: Final = Kind("client_frames", samples.CLIENT_FRAMES, Codec.decode_client)
SERVER: Final = Kind("server_frames", samples.SERVER_FRAMES, Codec.decode_server)
EVENTS: Final = Kind("events", samples.EVENTS, Codec.decode_event)
BODIES: Final = Kind("bodies", samples.BODIES, Codec.decode_body)
KINDS: Final = (CLIENT, SERVER, EVENTS, BODIES)


def encode(name: str, sample: Sample) -> Vector:
    """The vector of a sample as the code encodes it now."""
    value = json.loads(JSON.encode(sample(JSON)))
    return Vector(name, value, MSGPACK.encode(sample(MSGPACK)).hex())


def main() -> int:
    """Write missing vectors; tell which existing ones the code no longer fits."""
    broken = [name for kind in KINDS for name in _extend(kind)]
    for name in broken:
        sys.stderr.write(f"{name}: the code encodes it differently; nothing was changed\n")
    return 1 if broken else 0


def _extend(kind: Kind) -> list[str]:
    known = {vector.name: vector for vector in kind.read()}
    now = [encode(name, sample) for name, sample in kind.samples.items()]
    broken = [item.name for item in now if known.get(item.name, item) != item]
    merged = known | {item.name: item for item in now if item.name not in known}
    if len(merged) > len(known):
        vectors = [msgspec.to_builtins(vector) for vector in merged.values()]
        text = json.dumps(vectors, ensure_ascii=False, indent=2)
        kind.path.write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(f"{kind.path.name}: {len(merged) - len(known)} new\n")
    return broken


if __name__ == "__main__":
    sys.exit(main())
