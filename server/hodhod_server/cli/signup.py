"""`hodhod signup`: what an operator needs to connect those who carry codes, and to watch them."""

from __future__ import annotations

import click

from hodhod_server.cli.signup_explain import explain
from hodhod_server.cli.signup_funnel import funnel


@click.group()
def signup() -> None:
    """Look after sign-up.

    \b
    Examples:
      hodhod signup funnel --since 1h
      hodhod signup explain QcZP0pZcTJmLYb1b2u7F1A
    """


signup.add_command(funnel)
signup.add_command(explain)
