"""Which database a command works on: that of the settings, or that of a running `hodhod up`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hodhod_server import settings, supervisor
from hodhod_server.engines import StartFailed
from hodhod_server.settings import DatabaseSettings

F = TypeVar("F", bound=Callable[..., Any])


def database_options(command: F) -> F:
    """`--data-dir` and `--json`."""
    data_dir = click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Use the database of the `hodhod up` that runs there, not the setting database.url.",
    )
    return data_dir(click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command))


def chosen_database(data_dir: Path | None) -> DatabaseSettings:
    """Raises `StartFailed` where none is named."""
    if data_dir is not None:
        return DatabaseSettings(url=supervisor.read_processes(data_dir).database_url)
    database = settings.load().database
    if not database.url:
        raise StartFailed("database.url is not set: set HODHOD__DATABASE__URL, or pass --data-dir")
    return database
