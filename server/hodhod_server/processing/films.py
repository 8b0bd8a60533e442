"""Films and sound: what they are, a poster, a copy that plays while it comes, by FFmpeg (PyAV).

A container is opened by the format its first bytes name, and by no other. Streams are copied where
that is enough; what is decoded is one picture, and all of it only for sound and the smaller copies
an operator asked for. Copies carry no metadata, so none tells where a film was taken.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import Final

import av
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from msgspec.structs import replace
from PIL import Image

from hodhod_server.processing import faststart, film_copies, pictures, sounds
from hodhod_server.processing.contract import FILM_HEIGHTS, Copy, Derived, Details, Task
from hodhod_server.processing.source import DescriptorFile

FORMATS: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mp4",
    "audio/mp4": "mp4",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/wav": "wav",
}
_POSTER_AT: Final = 10  # a tenth in: many films begin with black
_POSTER_FRAMES: Final = 30  # damaged ones that are passed over


class NothingToPlay(Exception):
    """A container without film or sound."""


def prepare(content_type: str) -> None:
    """Import every decoder now: later no file can be opened."""
    pictures.prepare(content_type)
    av.logging.set_level(None)
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def look_at(source: DescriptorFile, content_type: str, task: Task) -> Details:
    """Raises what PyAV raises: the file is damaged, or no film."""
    form = FORMATS[content_type]
    with av.open(source.anew(), "r", format=form) as container:
        films, known = _probed(container)
    if films:
        return _film(source, content_type, task, known)
    if not known.codecs:
        raise NothingToPlay
    if (known.duration_ms or 0) > task.voice_s * 1000:
        return known
    waveform, duration_ms = sounds.heard(source, form, task)
    derived = []
    if known.codecs != ["opus"] and duration_ms <= task.voice_s * 1000:
        derived.append(sounds.to_opus(source, form, task, duration_ms))
    return replace(known, waveform=waveform, duration_ms=duration_ms, derived=derived)


def _probed(container: InputContainer) -> tuple[list[VideoStream], Details]:
    """The film's streams, and what the headers say."""
    films = [each for each in container.streams.video if not _is_cover(each)]
    taken = [*films[:1], *container.streams.audio[:1]]
    duration_ms = None if container.duration is None else max(container.duration // 1000, 0)
    codecs = [each.codec_context.codec.canonical_name for each in taken]
    return films, Details(duration_ms=duration_ms, codecs=codecs)


def _is_cover(stream: VideoStream) -> bool:
    """A still picture in a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


def _film(source: DescriptorFile, content_type: str, task: Task, known: Details) -> Details:
    form = FORMATS[content_type]
    image = _first_picture(source, form, task)
    width, height = image.size
    poster, blur = pictures.thumbnail(image, task, Copy.POSTER)
    derived = [poster]
    whole = Derived(
        copy=Copy.PLAY,
        content_type=film_copies.MP4,
        width=width,
        height=height,
        duration_ms=known.duration_ms,
    )
    if _needs_copy(source, content_type, known.codecs):
        scratch, target = _writable(task, Copy.PLAY)
        film_copies.remux(source, form, scratch)
        if faststart.make_fast(scratch, target):
            derived.append(whole)
    for copy, lines in FILM_HEIGHTS.items():
        if copy in task.outputs and min(width, height) > lines:
            scratch, target = _writable(task, copy)
            size = film_copies.shrink(source, form, scratch, lines)
            faststart.make_fast(scratch, target)
            derived.append(replace(whole, copy=copy, width=size[0], height=size[1]))
    return replace(known, width=width, height=height, blur=blur, derived=derived)


def _writable(task: Task, copy: Copy) -> tuple[DescriptorFile, DescriptorFile]:
    os.ftruncate(task.scratch, 0)
    return DescriptorFile(task.scratch), DescriptorFile(task.outputs[copy])


def _first_picture(source: DescriptorFile, form: str, task: Task) -> Image.Image:
    """A picture from the first tenth, the right way up."""
    with av.open(source.anew(), "r", format=form) as container:
        stream = container.streams.video[0]
        if stream.width * stream.height > task.bounds.pixels:
            raise pictures.PictureTooLarge
        stream.thread_count = 1  # threads would use up the address space
        if container.duration:
            container.seek(container.duration // _POSTER_AT)
        for count, frame in enumerate(container.decode(stream)):
            if count == _POSTER_FRAMES or not frame.is_corrupt:
                return _upright(frame)
    raise NothingToPlay


def _upright(frame: VideoFrame) -> Image.Image:
    ready = frame.reformat(format="rgb24")
    plane = ready.planes[0]
    size = (ready.width, ready.height)
    image = Image.frombuffer("RGB", size, bytes(plane), "raw", "RGB", plane.line_size, 1)
    return image.rotate(frame.rotation, expand=True)


def _needs_copy(source: DescriptorFile, content_type: str, codecs: list[str]) -> bool:
    """Would a player have to wait for the end, or not know the container?"""
    if content_type == "video/webm" or not set(codecs) <= film_copies.IN_MP4:
        return False
    return content_type != film_copies.MP4 or not faststart.is_fast(source)
