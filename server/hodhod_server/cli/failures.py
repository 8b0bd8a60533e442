"""A command that fails says why in one sentence on stderr and exits with 1; no traceback.

Only failures that people can do something about are known here. Anything else is a bug and shows
all it can.
"""

from __future__ import annotations

from typing import Any, Final

import click

from hodhod_server.engines import StartFailed
from hodhod_server.settings import SettingsInvalid
from hodhod_server.store.database import StoreError
from hodhod_server.store.migrations import MigrationError

_KNOWN: Final = (StartFailed, SettingsInvalid, MigrationError, *StoreError)


class Commands(click.Group):
    """A group of commands whose known failures become one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except _KNOWN as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise click.ClickException("; ".join(lines)) from error
