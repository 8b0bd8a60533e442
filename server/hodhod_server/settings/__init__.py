"""Every setting of the server: one tree, documented by itself."""

from __future__ import annotations

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
    "GatewaySettings",
    "GroupCommitSettings",
    "ListenSettings",
    "LoadSettings",
    "LogSettings",
    "MediaSettings",
    "PublicSettings",
    "RedisSettings",
    "ReturningSettings",
    "SecuritySettings",
    "Settings",
    "SettingsInvalid",
    "SignupSettings",
    "WorkerSettings",
    "child_environment",
    "load",
]
