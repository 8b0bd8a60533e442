"""Copies of films as MP4: the same streams in a new container, or smaller ones for slow links."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from hodhod_server.processing.source import DescriptorFile

MP4: Final = "video/mp4"
IN_MP4: Final = frozenset({"h264", "hevc", "av1", "mpeg4", "aac", "mp3", "opus"})
_RATE_MAX: Final = 30
_QUALITY: Final = {"preset": "veryfast", "crf": "28"}
_SOUND_RATE: Final = 48_000
_SOUND_BITS: Final = 64_000


def remux(source: DescriptorFile, form: str, target: DescriptorFile) -> None:
    """The first film and sound stream, untouched. Nothing is decoded."""
    with (
        av.open(source.anew(), "r", format=form) as container,
        av.open(target, "w", format="mp4") as copy,
    ):
        taken = [container.streams.video[0], *container.streams.audio[:1]]
        given = {each.index: copy.add_stream_from_template(each) for each in taken}
        for packet in container.demux(taken):
            if packet.dts is not None:
                packet.stream = given[packet.stream.index]
                copy.mux(packet)


def shrink(
    source: DescriptorFile, form: str, target: DescriptorFile, lines: int
) -> tuple[int, int]:
    """H.264 and AAC with so many lines; its width and height."""
    with (
        av.open(source.anew(), "r", format=form) as container,
        av.open(target, "w", format="mp4") as copy,
    ):
        film = _film_stream(container, copy, lines)
        sound = copy.add_stream("aac", rate=_SOUND_RATE, layout="stereo", bit_rate=_SOUND_BITS)
        _encode(container, copy, film, sound)
        return film.width, film.height


def _film_stream(container: InputContainer, copy: OutputContainer, lines: int) -> VideoStream:
    given = container.streams.video[0]
    given.thread_count = 1
    scale = Fraction(lines, min(given.width, given.height))
    film = copy.add_stream("libx264", rate=_rate(given), options=_QUALITY)
    film.width, film.height = (_even(given.width * scale), _even(given.height * scale))
    film.pix_fmt = "yuv420p"
    film.thread_count = 1
    film.time_base = given.time_base
    return film


def _rate(given: VideoStream) -> Fraction:
    return min(given.average_rate or Fraction(_RATE_MAX), Fraction(_RATE_MAX))


def _even(size: Fraction) -> int:
    return max(2, round(size / 2) * 2)


def _encode(
    container: InputContainer, copy: OutputContainer, film: VideoStream, sound: AudioStream
) -> None:
    taken = [container.streams.video[0], *container.streams.audio[:1]]
    for packet in container.demux(taken):
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                copy.mux(film.encode(frame.reformat(film.width, film.height, "yuv420p")))
            elif isinstance(frame, av.AudioFrame):
                copy.mux(sound.encode(frame))
    copy.mux(film.encode(None))
    copy.mux(sound.encode(None))
