"""`hodhod-loadtest locust-worker`, and where the master's file is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec
import uvloop

from hodhod_loadtest.bench import suite
from hodhod_loadtest.bench.connection import Door as Gateways
from hodhod_loadtest.bench.people import Newcomers as Outbox
from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import OUR_LINE, Street, open_street
from hodhod_loadtest.carriers.street import Line as Carrier
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.locusts.chatters import Chatters
from hodhod_loadtest.locusts.newcomers import Newcomers
from hodhod_loadtest.locusts.people import People
from hodhod_loadtest.locusts.protocol import Line
from hodhod_loadtest.locusts.tally import Tally
from hodhod_loadtest.locusts.worker import MasterSilent, Worker, join
from hodhod_loadtest.signups.crowd import people
from hodhod_loadtest.signups.door import Door
from hodhod_loadtest.signups.journey import Surroundings
from hodhod_loadtest.signups.punctuality import calm_collector
from hodhod_server.domain.clock import SystemClock

MASTER_PORT: Final = 5557
LOCUSTFILE: Final = Path(__file__).parent / "master" / "locustfile.py"
CARRIER_PER_S: Final = 10_000.0
WORKERS_MAX: Final = 1_000
_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the command was given."""

    host: str
    port: int
    target: str
    people: Path | None
    message_every_s: float
    newcomer_every_s: float
    carriers_port: int | None
    seed: int


@click.command()
def locustfile() -> None:
    """Tell where the file for a Locust master is.

    \b
    Example: locust --master -f "$(hodhod-loadtest locustfile)"
    """
    click.echo(str(LOCUSTFILE))


@click.command("locust-worker")
@click.option("--master-host", "host", default="127.0.0.1", show_default=True)
@click.option("--master-port", "port", type=int, default=MASTER_PORT, show_default=True)
@click.option("--target", required=True, metavar="URL", help="The server under test.")
@click.option(
    "--people",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Who the Chatters are: lines of {user, token}. Else they sign up by the dev outbox.",
)
@click.option(
    "--message-every",
    "message_every_s",
    type=click.FloatRange(0.001),
    default=10.0,
    show_default=True,
    metavar="S",
    help="How often a Chatter writes, on average.",
)
@click.option(
    "--newcomer-every",
    "newcomer_every_s",
    type=click.FloatRange(0.001),
    default=10.0,
    show_default=True,
    metavar="S",
    help="How often a Newcomer's place brings somebody, on average.",
)
@click.option(
    "--carriers-port",
    type=int,
    help="Play the server's SMS provider on this port of loopback: Newcomers need it.",
)
@click.option("--seed", type=int, help="Of all chance; the time otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Tell what was done as JSON.")
def locust_worker(as_json: bool, seed: int | None, **given: object) -> None:
    """Join a Locust master as a worker, with people who speak our wire.

    Ends when the master ends; then says what it did.

    \b
    Example:
      locust --master -f "$(hodhod-loadtest locustfile)" &
      hodhod-loadtest locust-worker --target http://127.0.0.1:8080
    """
    chosen = int(_CLOCK.now().timestamp()) if seed is None else seed
    terms = msgspec.convert({**given, "seed": chosen}, Terms)
    tally = Tally(_CLOCK)
    suite.allow_many_sockets()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_take_part(terms, tally))
        except (MasterSilent, OSError, ValueError) as failed:
            raise click.ClickException(str(failed)) from None
    if as_json:
        told = {"requests": dict(tally.totals), "failures": dict(tally.failed), "seed": chosen}
        click.echo(json.dumps(told))
    else:
        for name, count in sorted(tally.totals.items()):
            click.echo(f"{name}: {count}, {tally.failed[name]} of them failed")


async def _take_part(terms: Terms, tally: Tally) -> None:
    line = Line(terms.host, terms.port)
    try:
        async with Client() as client:
            told = await client.get_json(f"{terms.target.rstrip('/')}/.well-known/hodhod")
            seed = terms.seed * WORKERS_MAX + await join(line)
            cast: dict[str, People] = {"Chatter": _chatters(terms, tally, told, seed)}
            async with _newcomers(terms, tally, Door(client, told["signup"]), seed) as newcomers:
                if newcomers is not None:
                    cast["Newcomer"] = newcomers
                worker = Worker(line, tally, cast)
                async with _ended_by_signals(worker.quit):
                    with calm_collector():
                        await worker.work()
    finally:
        line.close()


def _chatters(terms: Terms, tally: Tally, told: dict[str, str], seed: int) -> Chatters:
    socket = urlsplit(told["ws"])
    assert socket.hostname is not None
    gateways = Gateways(socket.hostname, socket.port or 80, socket.path)
    if terms.people is None:
        phones = (person.phone for person in people(random.Random(f"{seed} chatters")))
        next_person: Callable[[], Awaitable[Person]] = Outbox(told["signup"], phones).one
    else:
        next_person = _Listed(_listed(terms.people)).one
    chance = random.Random(f"{seed} messages")
    room = Chatters(gateways, next_person, tally, _CLOCK, chance)
    room.per_s = 1 / terms.message_every_s
    return room


@contextlib.asynccontextmanager
async def _newcomers(
    terms: Terms, tally: Tally, door: Door, seed: int
) -> AsyncIterator[Newcomers | None]:
    """`None` where this worker plays no carrier."""
    if terms.carriers_port is None:
        yield None
        return
    carrier = Carrier(name="first", kind="kavenegar", law=Law(), agreed_per_s=CARRIER_PER_S)
    async with open_street([carrier], seed, terms.carriers_port) as street:
        for name, value in server_settings(street).items():
            click.echo(f"the server needs {name}='{value}'", err=True)
        around = Surroundings(door=door, handsets=street.handsets, hear=street.hear)
        yield Newcomers(around, tally, 1 / terms.newcomer_every_s, seed)


def server_settings(street: Street) -> dict[str, str]:
    """Of a server whose newcomers this worker plays: its texts, their addresses, cheap proofs."""
    return {
        "HODHOD__SIGNUP__PROVIDERS": street.settings(),
        "HODHOD__SIGNUP__INBOUND_LINES": json.dumps([OUR_LINE]),
        "HODHOD__DOOR__PROOF_GUESSES": "[1,1,1]",
        "HODHOD__DOOR__TRUSTED_PROXIES": '["127.0.0.0/8"]',
    }


class _Listed:
    """People from a list, each once."""

    def __init__(self, persons: Iterator[Person]) -> None:
        self._persons = persons

    async def one(self) -> Person:
        """The next. Raises `LookupError`."""
        try:
            return next(self._persons)
        except StopIteration:
            raise LookupError("the list of people has no more") from None


def _listed(path: Path) -> Iterator[Person]:
    """Raises `ValueError` where it is no such list."""
    lines: Sequence[bytes] = path.read_bytes().splitlines()
    return iter([msgspec.json.decode(line, type=Person) for line in lines if line.strip()])


@contextlib.asynccontextmanager
async def _ended_by_signals(end: Callable[[], None]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
