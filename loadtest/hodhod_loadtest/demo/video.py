"""A real film of a given size: H.264 in MP4, made in seconds, that any player opens.

The pictures are noise, because noise does not compress: the size is reached with few frames, and a
byte that got lost on the way cannot hide.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

WIDTH: Final = 640
HEIGHT: Final = 360
FRAMES_PER_S: Final = 25
PICTURES: Final = 12  # distinct ones, repeated in turn: making noise costs more than encoding it


def make_video(path: Path, size_bytes: int, *, seed: int = 1) -> int:
    """Write a film of at least `size_bytes`; returns how many frames it has."""
    dice = np.random.default_rng(seed)
    pictures = [
        dice.integers(0, 256, size=(HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
        for _ in range(PICTURES)
    ]
    frames = written = 0
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, FRAMES_PER_S)
        stream.options = {"preset": "ultrafast", "qp": "24", "g": "25"}
        while written < size_bytes:
            frame = av.VideoFrame.from_ndarray(pictures[frames % PICTURES], format="yuv420p")
            frame.pts = frames
            for packet in stream.encode(frame):
                written += packet.size
                container.mux(packet)
            frames += 1
        for packet in stream.encode(None):
            container.mux(packet)
    return frames


def count_frames(path: Path) -> int:
    """Decode the film as a player does; returns how many frames came out of it."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
