"""Programs that want to come in, as they describe themselves."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hodhod_server.domain.device_keys import PUBLIC_KEY_BYTES
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.keys import from_base64url
from hodhod_server.domain.models import Entrant
from hodhod_server.domain.text import label
from hodhod_wire.limits import NAME_CHARS_MAX

_Label = Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)]


class DeviceDescription(msgspec.Struct, frozen=True, kw_only=True):
    """The program that signs up. `public_key`: Ed25519, 32 bytes, base64url."""

    name: _Label
    platform: _Label
    public_key: str | None = None


def entrant_of(described: DeviceDescription) -> Entrant:
    """The program, its labels made fit to be shown. Raises `Malformed`."""
    return Entrant(
        name=label(described.name, chars_max=NAME_CHARS_MAX),
        platform=label(described.platform, chars_max=NAME_CHARS_MAX),
        public_key=device_key_of(described),
    )


def device_key_of(described: DeviceDescription) -> bytes | None:
    """The device's own key, where it has one. Raises `Malformed`."""
    if described.public_key is None:
        return None
    try:
        key = from_base64url(described.public_key.rstrip("="))
    except ValueError:
        raise Malformed("device.public_key is not base64url") from None
    if len(key) != PUBLIC_KEY_BYTES:
        raise Malformed(f"device.public_key is not {PUBLIC_KEY_BYTES} bytes long")
    return key
