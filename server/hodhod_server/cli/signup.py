"""`hodhod signup`: what an operator needs to connect those who carry codes, and to watch them."""

from __future__ import annotations

import click
import msgspec

from hodhod_server import app, settings
from hodhod_server.cli.signup_explain import explain
from hodhod_server.cli.signup_funnel import funnel
from hodhod_server.domain.callback_addresses import callback_path
from hodhod_server.engines import StartFailed
from hodhod_server.sms.opening import calls_back


@click.group()
def signup() -> None:
    """Look after sign-up.

    \b
    Examples:
      hodhod signup callbacks
      hodhod signup funnel --since 1h
      hodhod signup explain QcZP0pZcTJmLYb1b2u7F1A
    """


@signup.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def callbacks(as_json: bool) -> None:
    """The address to enter in the panel of each provider that calls back.

    Whoever knows an address can report deliveries and texts in the provider's name: it is a secret,
    and follows from the master key.

    \b
    Examples:
      hodhod signup callbacks
      HODHOD_CONFIG=/etc/hodhod.toml hodhod signup callbacks --json
    """
    loaded = settings.load()
    try:
        key = app.keys_of(loaded).callback
    except ValueError as error:
        raise StartFailed(f"security.master_key: {error}") from None
    address = loaded.public.signup_url.rstrip("/")
    addresses = {
        provider.name: address + callback_path(key, provider.name)
        for provider in loaded.signup.providers
        if calls_back(provider)
    }
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(addresses)).decode())
        return
    for name, path in addresses.items():
        click.echo(f"{name}  {path}")
    if not addresses:
        click.echo("no provider in the settings calls back", err=True)
    elif not address:
        click.echo("public.signup_url is not set: put sign-up's address before these", err=True)


signup.add_command(funnel)
signup.add_command(explain)
