"""The world of one run: gateways, devices, stores and what lies between; faults act on it.

Always true: after `heal` everything runs and reaches everything, and nothing was done to a client
that it would not notice by itself: nobody is made to reconnect or to sync.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Final

from hodhod._errors import ConnectionLost, HodhodError
from hodhod._models import Message
from hodhod._session import Kept
from hodhod._transport import CONNECT_S, Connection, greet
from hodhod_server.domain.tokens import Caller
from hodhod_wire.frames import Send
from tests.simulation.device import Device, newcomer
from tests.simulation.gateway import Gateway
from tests.simulation.judge import Seen
from tests.simulation.ledger import Ledger
from tests.simulation.network import Cable, DeviceEnd
from tests.simulation.postgres import Postgres
from tests.simulation.processes import Process
from tests.simulation.redis import RedisServer
from tests.simulation.sabotage import Sabotage
from tests.simulation.scenario import Fault, Kind, Scenario
from tests.simulation.trace import Trace

FAILING: Final = 0.3  # of the statements, while they fail
HURRY_S: Final = 5.0  # a program that is closed has ended by then


class World:
    """All of it."""

    def __init__(
        self, scenario: Scenario, dice: random.Random, sabotage: Sabotage, trace: Trace
    ) -> None:
        self.defects: list[str] = []
        self._scenario = scenario
        self._dice = dice
        self._sabotage = sabotage
        self._trace = trace
        self._tables = sabotage.tables()
        self._postgres = Postgres(self._tables, self._fork())
        self._redis = RedisServer(self._fork())
        self._redis.doubles = scenario.doubles
        self._redis.latency_s = scenario.bus_latency_s
        self._gateways: list[Gateway | None] = [None] * scenario.gateways
        self._lives = 0
        self._cables: dict[int, Cable] = {}
        self._partitioned: set[int] = set()
        self._refused: set[tuple[int, int]] = set()
        for user in range(1, scenario.users + 1):
            self._tables.users[user] = f"user {user}"
        for chat in scenario.chats:
            self._tables.add_chat(chat.kind, chat.members, is_broadcast=chat.is_broadcast)
        self._devices = [self._new_device(number) for number in range(len(scenario.devices))]

    @property
    def seen(self) -> Seen:
        """For the judge."""
        ledgers = {device.number: device.ledger for device in self._devices}
        return Seen(self._tables, ledgers, self._refused)

    @property
    def is_quiet(self) -> bool:
        """No message waits to be sent."""
        return all(device.has_sent_all for device in self._devices)

    def start(self) -> None:
        """Gateways first."""
        for place in range(len(self._gateways)):
            self._start_gateway(place)
        for device in self._devices:
            self._start_device(device)

    def end(self) -> None:
        """Nothing runs any more."""
        for device in self._devices:
            if device.process is not None:
                device.process.kill()
        for gateway in self._gateways:
            if gateway is not None:
                gateway.process.kill()

    def write(self, device: int, chat: int, client_id: int, text: str) -> None:
        """The person at this device writes, if the program runs."""
        self._devices[device].write(chat, client_id, text)

    # --- faults ----------------------------------------------------------------------------------

    def break_(self, fault: Fault) -> Callable[[], None]:
        """Let it happen. Returns what heals it, to be called once, some time later."""
        self._trace.note(f"{fault.kind} {fault.target} {fault.lasts_s:.3f}")
        match fault.kind:
            case Kind.KILL_GATEWAY | Kind.STOP_GATEWAY | Kind.CUT_BUS:
                return self._break_gateway(fault, fault.target % len(self._gateways))
            case Kind.CRASH_DEVICE | Kind.STOP_DEVICE:
                return self._break_device(fault, self._devices[fault.target % len(self._devices)])
            case Kind.CHANGE_CHAT:
                return self._change_chat(fault.target % len(self._tables.chats) + 1)
            case Kind.CRASH_REDIS:
                self._redis.crash()
                return self._redis.start
            case Kind.CRASH_POSTGRES:
                self._postgres.crash()
                return self._postgres.start
            case Kind.FREEZE_POSTGRES:
                self._postgres.freeze()
                return self._postgres.thaw
            case Kind.FAIL_STATEMENTS:
                self._postgres.failures = FAILING
                return partial(setattr, self._postgres, "failures", 0.0)
            case _:
                return self._break_link(fault, fault.target % len(self._devices))

    def _change_chat(self, chat: int) -> Callable[[], None]:
        if self._tables.chats[chat].is_group:
            self._postgres.change_chat(chat)  # its announcement is lost
        return _nothing

    def _break_gateway(self, fault: Fault, place: int) -> Callable[[], None]:
        gateway = self._gateways[place]
        if gateway is None:
            return _nothing
        if fault.kind is Kind.CUT_BUS:
            gateway.redis.cut()
            return partial(gateway.redis.mend, keeps_connections=fault.coin)
        self._gateways[place] = None
        if fault.kind is Kind.KILL_GATEWAY:
            gateway.kill(is_silent=fault.coin)
        else:
            gateway.process.start(self._stop(gateway))
        return partial(self._start_gateway, place)

    async def _stop(self, gateway: Gateway) -> None:
        await gateway.stop()
        gateway.kill(is_silent=False)

    def _break_device(self, fault: Fault, device: Device) -> Callable[[], None]:
        process = device.process
        if process is None:
            return _nothing
        if fault.kind is Kind.STOP_DEVICE:
            device.stop()
            asyncio.get_running_loop().call_later(HURRY_S - 1.0, self._crash, device, process, True)
        else:
            self._crash(device, process, fault.coin)
        return partial(self._start_device, device)

    def _crash(self, device: Device, process: Process, is_silent: bool) -> None:
        if device.process is not process:
            return
        device.crash()
        cable = self._cables.get(device.number)
        if cable is not None and is_silent:
            cable.stall(None)
        elif cable is not None:
            cable.cut()

    def _break_link(self, fault: Fault, number: int) -> Callable[[], None]:
        cable = self._cables.get(number)
        if fault.kind is Kind.PARTITION:
            self._partitioned.add(number)
            if cable is not None:
                cable.stall(fault.lasts_s if fault.coin else None)
            return partial(self._partitioned.discard, number)
        if cable is None:
            return _nothing
        if fault.kind is Kind.CUT_LINK:
            cable.cut()
        elif fault.kind is Kind.STALL_LINK:
            cable.stall(fault.lasts_s)
        else:
            cable.slow_down(fault.lasts_s)
        return _nothing

    def heal(self) -> None:
        """Whatever is still broken."""
        for place in range(len(self._gateways)):
            self._start_gateway(place)
        for device in self._devices:
            device.is_slow_reader = False
            self._start_device(device)

    # --- making ----------------------------------------------------------------------------------

    def _new_device(self, number: int) -> Device:
        user = self._scenario.devices[number]
        knows_all = self._dice.random() < 0.5  # or it has seen each chat while it was empty
        seen = [  # groups always: of one that is new to a device only the last page is for it
            chat
            for chat, table in self._tables.chats.items()
            if user in table.members and (table.is_group or not knows_all)
        ]
        return Device(
            user,
            number,
            Ledger(user, partial(self._note_message, number)),
            newcomer(user, {chat: Kept(0) for chat in seen}, knows_all=knows_all),
            self._fork(),
            self._sabotage,
        )

    def _start_gateway(self, place: int) -> None:
        if self._gateways[place] is None:
            process = self._new_process(f"gateway-{place}")
            self._gateways[place] = gateway = Gateway(
                process,
                self._postgres,
                self._redis,
                self._fork(),
                self._note_refused,
                self._sabotage,
            )
            gateway.start()

    def _start_device(self, device: Device) -> None:
        if device.process is None:
            process = self._new_process(f"device-{device.number}")
            device.start(process, partial(self._dial, device, process))

    def _new_process(self, name: str) -> Process:
        self._lives += 1
        return Process(f"{name}-{self._lives}", self._note_death)

    async def _dial(self, device: Device, process: Process, token: str) -> Connection:
        """As the SDK's dialer, through a balancer that knows which gateways are there."""
        await asyncio.sleep(self._scenario.latency_s * 3)
        if device.number in self._partitioned:
            await asyncio.sleep(CONNECT_S * self._dice.random())
            raise ConnectionLost("nobody answers")
        gateways = [gateway for gateway in self._gateways if gateway is not None]
        if not gateways:
            raise ConnectionLost("refused")
        gateway = self._dice.choice(gateways)
        cable = Cable(process, gateway.process, self._fork(), self._scenario.latency_s)
        self._cables[device.number] = cable
        self._trace.note(f"{process.name} dials {gateway.process.name}")
        gateway.accept(cable, token)
        connection = DeviceEnd(cable)
        try:
            async with asyncio.timeout(CONNECT_S):
                await greet(connection, "simulation")
        except TimeoutError:
            raise ConnectionLost("no welcome") from None
        return connection

    def _fork(self) -> random.Random:
        return random.Random(self._dice.getrandbits(64))

    # --- noting ----------------------------------------------------------------------------------

    def _note_message(self, number: int, how: str, message: Message) -> None:
        self._trace.note(
            f"device {number} {how} {message.chat}/{message.seq} {message.client_id:x}"
        )

    def _note_refused(self, caller: Caller, frame: Send) -> None:
        self._trace.note(f"refused {caller.user} {frame.client_id:x}")
        self._refused.add((caller.user, frame.client_id))

    def _note_death(self, name: str, error: BaseException) -> None:
        self._trace.note(f"{name} died: {error!r}")
        if not isinstance(error, HodhodError):
            self.defects.append(f"{name} died: {error!r}")


def _nothing() -> None:
    """It heals by itself."""
