"""Photos, films and voices made by tests: short and real."""

from __future__ import annotations

import array
import functools
import io
import math
from fractions import Fraction
from typing import Final

import av
from PIL import Image

FRAMES: Final = 30
VOICE_RATE: Final = 16_000
LATITUDE: Final = (35.0, 41.0, 21.0)


@functools.cache
def film(*, is_fast: bool = False, width: int = 320, height: int = 180) -> bytes:
    """A second of H.264 and AAC; its directory at the end, as cameras write it."""
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=FRAMES)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="stereo")
        for index in range(FRAMES):
            frame = av.VideoFrame(width, height, "rgb24")
            line = bytes((x * 3 + index * 5) & 255 for x in range(frame.planes[0].line_size))
            frame.planes[0].update(line * height)
            frame.pts, frame.time_base = index, Fraction(1, FRAMES)
            container.mux(picture.encode(frame))
        for index in range(46):
            container.mux(sound.encode(_tone(index, 48_000, "stereo", 3000)))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return _rewritten(written.getvalue()) if is_fast else written.getvalue()


def _rewritten(content: bytes) -> bytes:
    """Matroska players need no directory first; MP4 with fragments has one."""
    written = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with (
        av.open(io.BytesIO(content), "r") as given,
        av.open(written, "w", format="mp4", options=options) as target,
    ):
        stream = target.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return written.getvalue()


@functools.cache
def voice() -> bytes:
    """Two seconds in a WAV that grow louder."""
    written = io.BytesIO()
    with av.open(written, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=VOICE_RATE, layout="mono")
        for index in range(32):
            container.mux(stream.encode(_tone(index, VOICE_RATE, "mono", 500 * index)))
        container.mux(stream.encode(None))
    return written.getvalue()


def _tone(index: int, rate: int, layout: str, loudness: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout=layout, samples=1024)
    channels = 1 if layout == "mono" else 2
    wave = array.array("h", (int(loudness * math.sin(x / 9)) for x in range(1024 * channels)))
    frame.planes[0].update(wave.tobytes())
    frame.sample_rate, frame.pts, frame.time_base = rate, index * 1024, Fraction(1, rate)
    return frame


def frames_of(content: bytes) -> int:
    """How many pictures a film has."""
    with av.open(io.BytesIO(content), "r") as container:
        return sum(1 for _ in container.decode(video=0))


def photo(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture that tells where it was taken, and that it has to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "the maker of the camera"
    exif[0x8825] = {1: "N", 2: LATITUDE, 3: "E", 4: LATITUDE}
    encoded = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(encoded, kind, exif=exif.tobytes())
    return encoded.getvalue()


def moving_gif() -> bytes:
    """Three pictures for ever, with a comment and XMP."""
    first, *others = (Image.effect_noise((40, 30), 60 + step) for step in range(3))
    encoded = io.BytesIO()
    first.save(encoded, "GIF", save_all=True, append_images=others, loop=0, comment=b"Tehran " * 60)
    way_out = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
    xmp = b"\x21\xff\x0bXMP DataXMP" + b"<x:xmpmeta>Tehran</x:xmpmeta>" + way_out
    return encoded.getvalue()[:-1] + xmp + b";"
