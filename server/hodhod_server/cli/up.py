"""`hodhod up`: a whole server on this machine, with nothing installed or configured before."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from hodhod_server import settings, supervisor
from hodhod_server.supervisor import Ports
from hodhod_server.telemetry import logs


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hodhod"),
    show_default=True,
    help="Everything durable: database, files, keys, logs of the engines.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port of the gateways; the other roles take the next ones. 0: any free block.",
)
@click.option(
    "--gateways",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    show_default="one per core",
    help="Number of gateway processes.",
)
@click.option(
    "--one-process",
    is_flag=True,
    help="All roles in one process, without the borders between them: to compare, or for the"
    " smallest machine.",
)
def up(data_dir: Path, host: str, port: int, gateways: int, one_process: bool) -> None:
    """Run everything here: PostgreSQL, Valkey, migrations and every role.

    Prints one line, `ready http://HOST:PORT`, on stdout when every role accepts. Ctrl-C or SIGTERM
    stops all of it.

    \b
    Examples:
      hodhod up
      hodhod up --port 9000 --data-dir /srv/hodhod
      hodhod up --host 0.0.0.0 --gateways 1
    """
    loaded = settings.load()
    logs.configure("supervisor", loaded.log.level)
    options = supervisor.Options(
        data_dir=data_dir,
        host=host,
        port=port,
        gateways=gateways,
        signups=loaded.signup.processes,
        is_one_process=one_process,
    )
    if loaded.database.url or loaded.redis.url:
        click.echo(
            "`hodhod up` brings its own engines: database.url and redis.url unused", err=True
        )
    asyncio.run(supervisor.up(options, loaded, lambda ports: _say_ready(options, ports)))


def _say_ready(options: supervisor.Options, ports: Ports) -> None:
    gateway = supervisor.address(options.host, ports.gateway)
    signup = supervisor.address(options.host, ports.signup)
    click.echo(f"ready {gateway}")
    newcomer = '{"phone": "+989123456789", "device": {"name": "curl", "platform": "curl"}}'
    click.echo(
        f"""
  look around    curl {gateway}/.well-known/hodhod
  sign up        curl --json '{newcomer}' {signup}/v1/signup
  see the code   curl '{signup}/dev/outbox?phone=%2B989123456789'
  stop           Ctrl-C; the data stays in {options.data_dir}
""",
        err=True,
    )
