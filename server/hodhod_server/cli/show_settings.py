"""`hodhod show-settings`: what this process would run with, and the reference of all settings."""

from __future__ import annotations

import click
import msgspec

from hodhod_server import settings
from hodhod_server.cli import settings_reference
from hodhod_server.settings import Settings


@click.command("show-settings")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the reference, no values.")
def show_settings(form: str | None) -> None:
    """Every setting as this environment sets it, secrets as ***.

    \b
    Examples:
      hodhod show-settings
      HODHOD_CONFIG=/etc/hodhod.toml hodhod show-settings --json
      hodhod show-settings --markdown > docs/reference/settings.md
    """
    if form == "markdown":
        click.echo(settings_reference.markdown(Settings), nl=False)
        return
    values = settings_reference.shown_values(settings.load())
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(values)).decode())
        return
    for line in settings_reference.lines(dict(values)):
        click.echo(line)
