"""What settings are made of: the shape of a section, and the types of its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from hodhod_server.domain.secret import Secret

SECTION = ConfigDict(
    extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True, frozen=True
)


def _read_secret(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"file"}:
        return Secret(Path(value["file"]).read_bytes().strip())
    if isinstance(value, str) and value.startswith("file:"):
        return Secret(Path(value.removeprefix("file:")).read_bytes().strip())
    return Secret(value.encode()) if isinstance(value, str) else value


def _require_key(secret: Secret) -> Secret:
    """It travels in headers and addresses: an empty one, or a second line, is a wrong file."""
    value = secret.reveal()
    if not value or not value.isascii() or any(byte <= 0x20 for byte in value):
        raise ValueError("a provider's key is one word of ASCII characters")
    return secret


SecretSetting = Annotated[Secret, BeforeValidator(_read_secret)]
KeySetting = Annotated[Secret, BeforeValidator(_read_secret), AfterValidator(_require_key)]
"""The key or password at a provider."""
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Niceness = Annotated[int, Field(ge=0, le=19)]
PositiveS = Annotated[float, Field(gt=0)]
BaseUrl = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]
