"""Everything that a run needs, open: server, carriers, links, and those who are inside already."""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hodhod_loadtest.bench.accounting import ServerProcesses
from hodhod_loadtest.bench.connection import Door as Gateway
from hodhod_loadtest.carriers.street import Street, open_street
from hodhod_loadtest.faults.bad_link import BadLink
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.local_server import LocalServer, local_server
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running import settling
from hodhod_loadtest.running.addresses import gateway_at
from hodhod_loadtest.running.carrying import lines
from hodhod_loadtest.running.casting import Cast
from hodhod_loadtest.running.companion import Company, company
from hodhod_loadtest.scenarios import model
from hodhod_loadtest.scenarios.model import Scenario
from hodhod_loadtest.signups.door import http_client
from hodhod_loadtest.signups.wave import connected_with, well_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The server of a run, and the generator."""

    is_one_process: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings besides those of the scenario."""

    generators: int = 1
    """So many processes play those who are inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A server and all around it."""

    scenario: Scenario
    server: LocalServer
    processes: ServerProcesses
    street: Street
    http: Client
    addresses: Mapping[str, str]
    gateway: Gateway
    recorder: Recorder
    link: BadLink | None = None
    """Between those who are inside and the gateways, where the scenario has a bad one."""

    inside: Company | None = None


@contextlib.asynccontextmanager
async def open_scene(scenario: Scenario, setting: Setting) -> AsyncIterator[Scene]:
    """All of it, while the block runs. Raises `ServerFailed`, `InsideFailed`, `ConnectionError`."""
    async with contextlib.AsyncExitStack() as stack:
        street = await stack.enter_async_context(open_street(lines(scenario), scenario.seed))
        carried = connected_with(street) if scenario.carriers else {}
        environment = {**carried, **scenario.environment, **setting.environment}
        arguments = ["--one-process"] if setting.is_one_process else []
        if scenario.gateways is not None:
            arguments += ["--gateways", str(scenario.gateways)]
        server = await stack.enter_async_context(local_server(environment, arguments=arguments))
        http = await stack.enter_async_context(http_client())
        addresses = await well_known(http, server.url)
        gateway = gateway_at(addresses["ws"])
        link = await _find_link(stack, scenario, gateway)
        door = gateway if link is None else Gateway("127.0.0.1", link.port, gateway.path)
        inside = None
        if settling.insiders(scenario):
            cast = await settling.cast(scenario, server.data_dir, addresses, door)
            inside = await stack.enter_async_context(_inside(cast, setting.generators))
        yield Scene(
            scenario=scenario,
            server=server,
            processes=ServerProcesses.of(server.data_dir),
            street=street,
            http=http,
            addresses=addresses,
            gateway=gateway,
            recorder=Recorder(time.monotonic),
            link=link,
            inside=inside,
        )


async def _find_link(
    stack: contextlib.AsyncExitStack, scenario: Scenario, gateway: Gateway
) -> BadLink | None:
    if not any(isinstance(fault, model.BadLink) for fault in scenario.faults):
        return None
    chance = random.Random(f"{scenario.seed} link")
    return await stack.enter_async_context(BadLink.open((gateway.host, gateway.port), chance))


@contextlib.asynccontextmanager
async def _inside(cast: Cast, generators: int) -> AsyncIterator[Company]:
    with tempfile.TemporaryDirectory(prefix="hodhod-inside-") as folder:
        async with company(cast, Path(folder), generators) as inside:
            yield inside
