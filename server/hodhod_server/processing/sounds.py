"""Sound: how loud it is over its length, and an Opus copy that costs a slow link little."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Final

import av
from av.audio.resampler import AudioResampler

from hodhod_server.processing.contract import Copy, Derived, Task
from hodhod_server.processing.source import DescriptorFile

BARS: Final = 100
LEVELS: Final = "0123456789abcdefghijklmnopqrstuv"
"""A bar of the waveform is one of these: 32 levels, a character each."""
PEAK_RATE: Final = 8000
PEAK_SAMPLES: Final = PEAK_RATE // 50
OPUS_RATE: Final = 48_000
OPUS_BITS: Final = 24_000
OPUS: Final = "audio/ogg"
_LOUDEST: Final = 32_768


def heard(source: DescriptorFile, form: str, task: Task) -> tuple[str, int]:
    """The waveform, and the true duration in milliseconds: headers of recordings often lie."""
    peaks, samples = list[int](), 0
    most = task.voice_s * PEAK_RATE
    for piece in _samples(source, form, PEAK_RATE):
        samples += len(piece)
        for start in range(0, len(piece), PEAK_SAMPLES):
            window = piece[start : start + PEAK_SAMPLES]
            peaks.append(max(max(window), -min(window)))
        if samples > most:
            break
    return _bars(peaks), samples * 1000 // PEAK_RATE


def _samples(source: DescriptorFile, form: str, rate: int) -> Iterator[array.array[int]]:
    resampler = AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(source.anew(), "r", format=form) as container:
        for frame in container.decode(audio=0):
            for ready in resampler.resample(frame):
                yield array.array("h", bytes(ready.planes[0])[: ready.samples * 2])
        for ready in resampler.resample(None):
            yield array.array("h", bytes(ready.planes[0])[: ready.samples * 2])


def _bars(peaks: list[int]) -> str:
    """A hundred bars, or fewer for a very short sound, the loudest at the top."""
    if not peaks:
        return ""
    count = min(BARS, len(peaks))
    bars = [
        max(peaks[index * len(peaks) // count : (index + 1) * len(peaks) // count])
        for index in range(count)
    ]
    loudest = max(max(bars), _LOUDEST // 64)  # silence is not blown up to noise
    return "".join(LEVELS[bar * (len(LEVELS) - 1) // loudest] for bar in bars)


def to_opus(source: DescriptorFile, form: str, task: Task, duration_ms: int) -> Derived:
    """The sound as Opus in Ogg, mono: what voice needs."""
    resampler = AudioResampler(format="s16", layout="mono", rate=OPUS_RATE)
    with (
        av.open(source.anew(), "r", format=form) as container,
        av.open(DescriptorFile(task.outputs[Copy.VOICE]), "w", format="ogg") as target,
    ):
        stream = target.add_stream("libopus", rate=OPUS_RATE, layout="mono", bit_rate=OPUS_BITS)
        for frame in container.decode(audio=0):
            for ready in resampler.resample(frame):
                ready.pts = None
                target.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            ready.pts = None
            target.mux(stream.encode(ready))
        target.mux(stream.encode(None))
    return Derived(copy=Copy.VOICE, content_type=OPUS, duration_ms=duration_ms)
