"""Every setting of the server: one tree, documented by itself."""

from __future__ import annotations

from hodhod_server.settings.door import DoorSettings
from hodhod_server.settings.processing import ProcessingSettings
from hodhod_server.settings.returning import ReturningSettings
from hodhod_server.settings.s3 import S3Settings
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
from hodhod_server.settings.tree import (
    CONFIG_FILE_VARIABLE,
    ENVIRONMENT_PREFIX,
    Settings,
    SettingsInvalid,
    child_environment,
    load,
)

__all__ = [
    "CONFIG_FILE_VARIABLE",
    "ENVIRONMENT_PREFIX",
    "DatabaseSettings",
    "DoorSettings",
    "GatewaySettings",
    "GroupCommitSettings",
    "ListenSettings",
    "LoadSettings",
    "LogSettings",
    "MediaSettings",
    "ProcessingSettings",
    "PublicSettings",
    "RedisSettings",
    "ReturningSettings",
    "S3Settings",
    "SecuritySettings",
    "Settings",
    "SettingsInvalid",
    "SignupSettings",
    "TextSettings",
    "WorkerSettings",
    "child_environment",
    "load",
]
