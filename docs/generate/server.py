"""What the server tells about itself: errors, metrics and commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import click
from prometheus_client.metrics import MetricWrapperBase

from hodhod_server.cli.commands import hodhod
from hodhod_server.domain import errors, upload_errors
from hodhod_server.domain.errors import HodhodError
from hodhod_server.telemetry import metrics
from hodhod_server.web.problems import HTTP_STATUS
from hodhod_wire.errors import ERROR_TEXTS

HELP_COLUMNS: Final = 88


def _refusals() -> Iterator[type[HodhodError]]:
    """Every class of refusals, in the order in which they are written down."""
    for module in (errors, upload_errors):
        for value in vars(module).values():
            is_own = isinstance(value, type) and value.__module__ == module.__name__
            if is_own and issubclass(value, HodhodError) and value is not HodhodError:
                yield value


def _error_codes() -> str:
    """For those who write clients: what a code means and whether the same may succeed later."""
    rows = ["| code | meaning | the same again |", "|---|---|---|"]
    for cls in _refusals():
        again = "may succeed" if ERROR_TEXTS[cls.code].may_retry else ""
        rows.append(f"| `{cls.code}` | {_explained(cls)} | {again} |")
    return "\n".join(rows)


def _errors() -> str:
    rows = ["| code | HTTP | meaning | what people read |", "|---|--:|---|---|"]
    for cls in _refusals():
        text = ERROR_TEXTS[cls.code]
        status = HTTP_STATUS[cls.code]
        title = f"{text.en} {text.fa}"
        again = " The same request may succeed later." if text.may_retry else ""
        rows.append(f"| `{cls.code}` | {status} | {_explained(cls)}{again} | {title} |")
    return "\n".join(rows)


def _explained(cls: type[HodhodError]) -> str:
    return " ".join((cls.__doc__ or "").split()).replace("|", "\\|")


def _metrics() -> str:
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for collector in vars(metrics).values():
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows)


def _commands() -> str:
    parts = [f"## `{name}`\n\n```text\n{text}\n```" for name, text in _help(hodhod, "hodhod")]
    return "\n\n".join(parts)


def _help(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """A command and those within it, each with what `--help` prints."""
    context = click.Context(
        command, parent, name, terminal_width=HELP_COLUMNS, **command.context_settings
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _help(command.commands[inner], inner, context)


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "error-codes": _error_codes,
    "errors": _errors,
    "metrics": _metrics,
    "commands": _commands,
}
