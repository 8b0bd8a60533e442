"""The settings of an object store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.domain.secret import Secret
from hodhod_server.settings.fields import SECTION, Positive, SecretSetting

PARTS_MAX = 10_000  # of one object, as S3 has it
PART_BYTES_MIN = 5 * 1024**2


@dataclass(config=SECTION, kw_only=True)
class S3Settings:
    """[media.s3] An object store that speaks S3: of whatever make, at whatever address."""

    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$")] = ""
    """Its address without the bucket: `https://s3.example.org`. Plain HTTP is for loopback."""

    bucket: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")] = ""
    """The bucket, which exists already and belongs to this installation."""

    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+/)*$")] = ""
    """Put before every name, to share a bucket: ends with a slash."""

    region: Annotated[str, Field(min_length=1)] = "us-east-1"
    """Part of every signature; most stores that are not Amazon's want `us-east-1`."""

    access_key: str = ""
    """Who we are at the store: may read, write, list and delete in the bucket."""

    secret_key: SecretSetting = Secret(b"")
    """What proves it: the text itself, or `file:` and a path."""

    address_style: Literal["path", "host"] = "path"
    """Does the bucket stand in the path (`endpoint/bucket`), or before the host's name?"""

    part_bytes: Annotated[int, Field(ge=PART_BYTES_MIN, le=5 * 1024**3)] = 8 * 1024**2
    """A part of an object. Ten thousand of them must hold `media.upload_bytes_max`."""

    tries: Positive = 6
    """How often a request is made until the store counts as unavailable."""

    connections_max: Positive = 64
    """Connections of one process to the store."""
