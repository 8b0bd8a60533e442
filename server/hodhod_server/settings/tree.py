"""The whole tree of settings: read once, complained about all at once.

Sources, the later wins: defaults, the TOML file named by `HODHOD_CONFIG`, the environment
(`HODHOD__SECTION__KEY`). A secret may be the value itself, or `{file = "…"}` in TOML and `file:…`
in the environment. Each component receives its own section; nothing else reads the environment.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from hodhod_server.settings.door import DoorSettings
from hodhod_server.settings.processing import ProcessingSettings
from hodhod_server.settings.returning import ReturningSettings
from hodhod_server.settings.sections import (
    DatabaseSettings,
    GatewaySettings,
    GroupCommitSettings,
    ListenSettings,
    LoadSettings,
    LogSettings,
    MediaSettings,
    PublicSettings,
    RedisSettings,
    SecuritySettings,
    WorkerSettings,
)
from hodhod_server.settings.signup import SignupSettings
from hodhod_server.settings.texts import TextSettings

ENVIRONMENT_PREFIX = "HODHOD__"
CONFIG_FILE_VARIABLE = "HODHOD_CONFIG"


class SettingsInvalid(ValueError):
    """The settings cannot be used; the text lists every complaint, one a line."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    listen: ListenSettings = Field(default_factory=ListenSettings)
    public: PublicSettings = Field(default_factory=PublicSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    signup: SignupSettings = Field(default_factory=SignupSettings)
    texts: TextSettings = Field(default_factory=TextSettings)
    door: DoorSettings = Field(default_factory=DoorSettings)
    returning: ReturningSettings = Field(default_factory=ReturningSettings)
    group_commit: GroupCommitSettings = Field(default_factory=GroupCommitSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    load: LoadSettings = Field(default_factory=LoadSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    processing: ProcessingSettings = Field(default_factory=ProcessingSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values, then the environment, then the TOML file."""
        path = os.environ.get(CONFIG_FILE_VARIABLE)
        if path:
            Path(path).stat()  # a missing file would otherwise be ignored in silence
        toml = TomlConfigSettingsSource(settings_cls, Path(path)) if path else None
        return (init_settings, env_settings, *([toml] if toml else []))


def load() -> Settings:
    """The settings of this process. Raises `SettingsInvalid` with every complaint."""
    try:
        _require_known_sections()
        return Settings()
    except ValidationError as error:
        raise SettingsInvalid("\n".join(_complaint(item) for item in error.errors())) from None
    except OSError as error:
        raise SettingsInvalid(f"{error.filename}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{os.environ[CONFIG_FILE_VARIABLE]}: {error}") from None
    except SettingsError as error:
        raise SettingsInvalid(str(error)) from None


def _require_known_sections() -> None:
    """A misspelt section would otherwise be ignored in silence."""
    unknown = [
        name
        for name in os.environ
        if name.upper().startswith(ENVIRONMENT_PREFIX)
        and name.upper().removeprefix(ENVIRONMENT_PREFIX).partition("__")[0].lower()
        not in Settings.model_fields
    ]
    if unknown:
        raise SettingsInvalid("\n".join(f"{name}: no such section" for name in sorted(unknown)))


def _complaint(item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"])
    return f"{name}: {item['msg']}"


def child_environment(extra: dict[str, str]) -> dict[str, str]:
    """The environment for a process we start: ours, with `extra` on top."""
    return {**os.environ, **extra}
