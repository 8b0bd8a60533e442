"""The settings of what is done with a file after it arrived."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Positive, PositiveS


@dataclass(config=SECTION, kw_only=True)
class ProcessingSettings:
    """[processing] What workers make of a file: type, thumbnail, a copy that plays at once."""

    parallel: Annotated[int, Field(ge=2)] = 2
    """Files one worker looks at at once, each in a process of its own."""

    waiting_max: Positive = 10_000
    """Files in the queue of jobs. One more waits in its row until the sweep finds room for it."""

    tries_max: Positive = 3
    """A file whose processing failed so often is given up, and its sender told."""

    retry_s: PositiveS = 5.0
    """Before the second try; each further one waits four times as long."""

    silence_s: Annotated[float, Field(ge=1)] = 30.0
    """A worker that was not heard of for so long is dead, and its files are looked at again."""

    cpu_s: Positive = 120
    """CPU seconds of the process that looks at one file."""

    wall_s: PositiveS = 300.0
    """Seconds after which it is killed, whatever it does."""

    memory_bytes_max: Annotated[int, Field(ge=256 * 1024**2)] = 1024**3
    """Its address space; a photo of 100 million pixels needs 0.7 GiB of it."""

    output_bytes_max: Positive = 4 * 1024**3
    """The largest copy it may write. As large as an upload, or long films get no copy."""

    pixels_max: Positive = 100_000_000
    """Pictures with more pixels are not decoded: they get no thumbnail."""

    thumb_px: Annotated[int, Field(ge=16, le=2048)] = 320
    """The longer side of thumbnails and posters."""

    film_heights: tuple[Literal[480, 240], ...] = ()
    """Smaller copies of films for slow links. Each costs about half the film's length in CPU."""

    voice_s: Annotated[int, Field(ge=0)] = 600
    """Sound up to this length gets a waveform and, unless it is Opus already, an Opus copy."""

    requires_lock: bool = False
    """Look at no file where the kernel cannot lock the process in; without, that is only logged."""

    strips_metadata: bool = True
    """Blank where and with what a photo was taken before anybody can download it."""

    clamd: Annotated[str, Field(pattern=r"^(/.+|\S+:\d+)?$")] = ""
    """A virus scanner: `/path/of/its/socket` or `host:port`. Empty: none."""

    scan_s: PositiveS = 120.0
    """How long a scan may take."""

    unscanned: Literal["hold", "serve"] = "hold"
    """What happens to files while the scanner does not answer, or finds one too large."""

    grace_s: Positive = 3600
    """What a crash or a replacement left behind is deleted when it is older than this."""
