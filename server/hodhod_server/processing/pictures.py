"""Pictures: size, thumbnail and blur, by Pillow.

A decoder is chosen by what the first bytes said, never by trying all that are installed. The size
is judged before a pixel is decoded: a file of some bytes can claim gigabytes of them.
"""

from __future__ import annotations

import importlib
import io
import warnings
from typing import Final

import blurhash
from PIL import Image, ImageOps

from hodhod_server.processing.contract import Copy, Derived, Details, Task
from hodhod_server.processing.source import DescriptorFile

FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/tiff": "TIFF",
    "image/heic": "HEIF",
}
LATE: Final = ("copy",)  # what Pillow's decoders import when they first need it
BLUR_PX: Final = 32
BLUR_PARTS: Final = (4, 3)
QUALITY: Final = 80
JPEG: Final = "image/jpeg"
HEIC: Final = "image/heic"  # the one kind that Pillow does not know by itself


class PictureTooLarge(Exception):
    """More pixels than are decoded here."""


def prepare(content_type: str) -> None:
    """Import every decoder now: later no file can be opened."""
    Image.init()
    for name in LATE:
        importlib.import_module(name)
    if content_type == HEIC:
        pi_heif = importlib.import_module("pi_heif")
        pi_heif.register_heif_opener(
            decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
        )
    warnings.simplefilter("ignore")


def look_at(source: DescriptorFile, content_type: str, task: Task) -> Details:
    """Raises what Pillow raises, and `PictureTooLarge`."""
    Image.MAX_IMAGE_PIXELS = task.bounds.pixels
    with Image.open(io.BufferedReader(source), formats=[FORMATS[content_type]]) as image:
        width, height = image.size
        if width * height > task.bounds.pixels:
            raise PictureTooLarge
        image.draft("RGB", (task.thumb_px, task.thumb_px))
        upright = ImageOps.exif_transpose(image)
        if _is_turned(image):
            width, height = height, width
        thumb, blur = thumbnail(upright, task, Copy.THUMB)
    return Details(width=width, height=height, blur=blur, derived=[thumb])


def _is_turned(image: Image.Image) -> bool:
    return image.getexif().get(0x0112) in (5, 6, 7, 8)


def thumbnail(image: Image.Image, task: Task, copy: Copy) -> tuple[Derived, str]:
    """Write a small JPEG to the output of `copy`; what it is, and its blur."""
    small = _flat(image)
    small.thumbnail((task.thumb_px, task.thumb_px), reducing_gap=2.0)
    small = small.convert("RGB")
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    DescriptorFile(task.outputs[copy]).write(encoded.getvalue())
    derived = Derived(copy=copy, content_type=JPEG, width=small.width, height=small.height)
    return derived, _blur(small)


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency: a JPEG has none, and what is behind it would be black."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image if image.mode in ("RGB", "L") else image.convert("RGB")
    layered = image.convert("RGBA")
    ground = Image.new("RGB", layered.size, "white")
    ground.paste(layered, mask=layered.getchannel("A"))
    return ground


def _blur(image: Image.Image) -> str:
    """A BlurHash: some thirty characters that a client draws while the picture comes."""
    tiny = image.copy()
    tiny.thumbnail((BLUR_PX, BLUR_PX))
    pixels = list(tiny.get_flattened_data())
    rows = [pixels[start : start + tiny.width] for start in range(0, len(pixels), tiny.width)]
    return str(blurhash.encode(rows, *BLUR_PARTS))
