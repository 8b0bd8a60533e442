"""`hodhod up`: engines, migrations and every role, in one command and one process tree.

Roles are processes of their own, because one event loop has no priorities. They learn everything
from the environment, exactly as in production. A role that dies is started again; a role whose
supervisor is gone leaves by itself, because its stdin ends.

Always true: `processes.json` in the data dir tells what runs where, and is gone after a clean stop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import secrets
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from hodhod_server.engines import Engines, StartFailed, children, open_engines
from hodhod_server.processing.priority import SHORT_TURN_NS, set_turn
from hodhod_server.settings import DatabaseSettings, MediaSettings, Settings, child_environment
from hodhod_server.store import migrations
from hodhod_server.telemetry import logs

READY_TIMEOUT_S: Final = 30.0
READY_ANSWER_S: Final = 2.0
STOP_S: Final = 4.0  # with the engines' own patience after it, a whole stop stays below 10 s
PORT_MAX: Final = 65_535
PORTS_FREE_TRIES: Final = 100
CONNECTIONS_SPARE: Final = 40  # for people with psql, migrations and what PostgreSQL keeps
_HOST: Final = "HODHOD__LISTEN__HOST"
_PORT: Final = "HODHOD__LISTEN__PORT"
_SHARED_PORT: Final = "HODHOD__LISTEN__SHARED_PORT"
_STDERR: Final = 2
TOGETHER: Final = "all"
_POLL_S: Final = 0.05
log = logs.get("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person who runs `hodhod up` may choose."""

    data_dir: Path
    host: str
    port: int
    """0: any free block of ports."""

    gateways: int
    signups: int = 1
    is_one_process: bool = False
    """All roles together: a surge of newcomers is then felt by those who are inside."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port follows from one: that of the gateways together."""

    gateway: int

    @property
    def signup(self) -> int:
        return self.gateway + 1

    @property
    def media(self) -> int:
        return self.gateway + 2

    @property
    def worker(self) -> int:
        return self.gateway + 3

    def gateway_own(self, index: int) -> int:
        """Where one gateway answers for its own health and metrics."""
        return self.gateway + 10 + index

    def all(self, gateways: int, signups: int = 1) -> list[int]:
        """Sign-up processes that share its port have their own ones after those of gateways."""
        own = [self.gateway_own(index) for index in range(gateways + _sharing(signups))]
        return [self.gateway, self.signup, self.media, self.worker, *own]


def _sharing(processes: int) -> int:
    """How many have a port of their own beside the one that they share."""
    return processes if processes > 1 else 0


class RunningProcess(msgspec.Struct, frozen=True):
    """One process of the tree; `port` is 0 where it has none."""

    name: str
    role: str
    pid: int
    port: int


class Processes(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `processes.json`."""

    supervisor: int
    address: str
    database_url: str
    redis_url: str
    processes: list[RunningProcess]


def read_processes(data_dir: Path) -> Processes:
    """What runs on a data dir. Raises `StartFailed` where nothing does."""
    try:
        content = msgspec.json.decode(_processes_file(data_dir).read_bytes(), type=Processes)
        os.kill(content.supervisor, 0)
    except (FileNotFoundError, ProcessLookupError):
        raise StartFailed(f"no `hodhod up` runs on {data_dir}") from None
    except PermissionError:
        pass  # it lives, as another user
    return content


def _processes_file(data_dir: Path) -> Path:
    return data_dir / "processes.json"


class RoleProcess:
    """A role in a process of its own; `spawned` is called whenever it has a new pid."""

    def __init__(
        self, role: str, name: str, environment: Mapping[str, str], spawned: Callable[[], None]
    ) -> None:
        self.role = role
        self.name = name
        self.port = int(environment[_PORT])
        self._host = environment[_HOST]
        self._environment = child_environment(dict(environment))
        self._spawned = spawned
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when it answers `/ready`. Raises `StartFailed`."""
        # -P: the folder we stand in is not searched for Python packages.
        argv = [sys.executable, "-P", "-m", "hodhod_server", "serve", "--role", self.role]
        self._process = await children.start(
            children.Command(
                argv=[*argv, "--until-stdin-ends"],
                environment=self._environment,
                folder=None,
                stdin=PIPE,
                output=_STDERR,
            )
        )
        self._spawned()
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not await _is_ready(self._host, self.port):
                    if self._process.returncode is not None:
                        raise StartFailed(
                            f"{self.name} ended with exit code {self._process.returncode}"
                            " before it was ready; its last lines say why"
                        )
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop()
            raise StartFailed(f"{self.name} was not ready in {READY_TIMEOUT_S:.0f} s") from None

    async def wait(self) -> int:
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """Politely first."""
        if self._process is not None:
            await children.stop(self._process, ((signal.SIGTERM, STOP_S),))


async def _is_ready(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(READY_ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /ready HTTP/1.1\r\nHost: up\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def up(options: Options, settings: Settings, on_ready: Callable[[Ports], None]) -> None:
    """Run everything until SIGINT or SIGTERM; `on_ready` is called once every role accepts.

    Raises `StartFailed`, `MigrationError` or `OSError` where something does not start.
    """
    ports = choose_ports(options)
    processes = options.gateways + options.signups + 2
    connections_max = processes * settings.database.pool_max + CONNECTIONS_SPARE
    if not options.is_one_process:
        set_turn(SHORT_TURN_NS)  # the engines are started with it: every message waits for both
    async with _until_signal(), open_engines(options.data_dir, connections_max) as engines:
        applied = await migrations.up(DatabaseSettings(url=engines.database_url))
        log.info("migrations.applied", count=len(applied))
        environment = _environment(options, settings, engines, ports)
        roles: list[RoleProcess] = []

        def tell() -> None:
            _write_processes(options, ports, engines, roles)

        roles += [
            RoleProcess(role, name, {**environment, **sockets}, tell)
            for role, name, sockets in _plan(options, ports)
        ]
        try:
            async with _running(roles):
                on_ready(ports)
                await _keep_alive(engines, roles, tell)
        finally:
            _processes_file(options.data_dir).unlink(missing_ok=True)


async def _keep_alive(
    engines: Engines, roles: Sequence[RoleProcess], changed: Callable[[], None]
) -> None:
    dice = random.Random()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engines.run(changed))
        for role in roles:
            tasks.create_task(children.keep_alive(role, changed, dice), name=role.name)


def _plan(options: Options, ports: Ports) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Role, name and sockets of each process."""
    if options.is_one_process:
        yield TOGETHER, TOGETHER, {_PORT: str(ports.gateway), _SHARED_PORT: "0"}
        return
    for index in range(options.gateways):
        own = {_PORT: str(ports.gateway_own(index)), _SHARED_PORT: str(ports.gateway)}
        yield "gateway", f"gateway-{index}", own
    for index in range(_sharing(options.signups)):
        port = ports.gateway_own(options.gateways + index)
        own = {_PORT: str(port), _SHARED_PORT: str(ports.signup)}
        yield "signup", f"signup-{index}", own
    alone = {"media": ports.media, "worker": ports.worker}
    if not _sharing(options.signups):
        alone["signup"] = ports.signup
    for role, port in alone.items():
        yield role, role, {_PORT: str(port), _SHARED_PORT: "0"}


def _environment(
    options: Options, settings: Settings, engines: Engines, ports: Ports
) -> dict[str, str]:
    """What all roles share, on top of the environment and the settings file they also read."""
    data_dir = options.data_dir.resolve()
    environment = {
        "HODHOD__DATABASE__URL": engines.database_url,
        "HODHOD__REDIS__URL": engines.redis_url,
        _HOST: options.host,
        "HODHOD__PUBLIC__SIGNUP_PORT": str(ports.signup),
        "HODHOD__PUBLIC__MEDIA_PORT": str(ports.media),
    }
    if settings.media.directory == MediaSettings().directory:
        (data_dir / "media").mkdir(mode=0o700, exist_ok=True)  # others may pass the data dir
        environment["HODHOD__MEDIA__DIRECTORY"] = str(data_dir / "media")
    if not settings.security.master_key.reveal():
        environment["HODHOD__SECURITY__MASTER_KEY"] = f"file:{_master_key(data_dir)}"
    return environment


def _master_key(data_dir: Path) -> Path:
    """The file with the key of this installation, made once."""
    path = data_dir / "master.key"
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    return path


@asynccontextmanager
async def _running(roles: Sequence[RoleProcess]) -> AsyncIterator[None]:
    """All roles at once, ready when the block begins and gone when it has ended."""
    try:
        await _start_all(roles)
        yield
    finally:
        async with asyncio.TaskGroup() as tasks:
            for role in roles:
                tasks.create_task(role.stop(), name=role.name)


async def _start_all(roles: Sequence[RoleProcess]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for role in roles:
                tasks.create_task(role.start(), name=role.name)
    except ExceptionGroup as failed:
        complaints = failed.subgroup(StartFailed)
        if complaints is None:
            raise
        raise StartFailed(str(complaints.exceptions[0])) from None


def _write_processes(
    options: Options, ports: Ports, engines: Engines, roles: Sequence[RoleProcess]
) -> None:
    processes = [RunningProcess(role.name, role.role, role.pid, role.port) for role in roles]
    processes += [RunningProcess(name, "engine", pid, 0) for name, pid in engines.pids().items()]
    content = Processes(
        supervisor=os.getpid(),
        address=address(options.host, ports.gateway),
        database_url=engines.database_url,
        redis_url=engines.redis_url,
        processes=processes,
    )
    path = _processes_file(options.data_dir)
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    draft.replace(path)


def address(host: str, port: int) -> str:
    """The base URL of a socket."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def choose_ports(options: Options) -> Ports:
    """The ports asked for, or a free block. Raises `StartFailed` where one is taken."""
    if options.port:
        ports = Ports(options.port)
        wanted = ports.all(options.gateways, options.signups)
        if max(wanted) > PORT_MAX:
            raise StartFailed(
                f"the ports after {options.port} do not suffice: choose a lower --port"
            )
        if taken := _find_taken(options.host, wanted):
            raise StartFailed(f"port {taken} of {options.host} is in use: choose another --port")
        return ports
    for _ in range(PORTS_FREE_TRIES):
        # Below the range from which systems take the ports of outgoing connections.
        ports = Ports(10_000 + secrets.randbelow(20_000))
        if not _find_taken(options.host, ports.all(options.gateways, options.signups)):
            return ports
    raise StartFailed(f"no free block of ports found on {options.host}")


def _find_taken(host: str, ports: Sequence[int]) -> int | None:
    """The first of these ports on which nobody can listen now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in ports:
        try:
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return port
            raise StartFailed(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return None


@asynccontextmanager
async def _until_signal() -> AsyncIterator[None]:
    """The first SIGINT or SIGTERM ends the block from within; later ones change nothing."""
    loop = asyncio.get_running_loop()
    life = asyncio.timeout(None)

    def end() -> None:
        if not life.expired():
            life.reschedule(loop.time())

    try:
        async with life:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, end)
            yield
    except TimeoutError:
        if not life.expired():
            raise
