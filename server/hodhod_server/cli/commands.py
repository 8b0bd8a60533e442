"""`hodhod`: the one command, made of small ones."""

from __future__ import annotations

import click

from hodhod_server.cli.failures import Commands
from hodhod_server.cli.media import media
from hodhod_server.cli.migrate import migrate
from hodhod_server.cli.serve import serve
from hodhod_server.cli.show_settings import show_settings
from hodhod_server.cli.signup import signup
from hodhod_server.cli.up import up


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hodhod-server", prog_name="hodhod")
def hodhod() -> None:
    """The Hodhod messenger server.

    \b
    Try it on this machine:        hodhod up
    Run one role in production:    hodhod serve --role gateway
    """


for _command in (up, serve, migrate, signup, media, show_settings):
    hodhod.add_command(_command)
