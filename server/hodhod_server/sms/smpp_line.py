"""A session with an SMSC: aiosmpplib's, with its weak places mended in this one file.

The library binds, keeps the link alive, numbers PDUs, encodes `submit_sm`, and binds again after a
loss. Four of its steps are replaced, because as they are (0.7.4) a real SMSC breaks them: reading
(an unknown status or command ended the session), `deliver_sm` (see `smpp_pdus`), connecting (the
old socket stayed open), and ending its loops (half a second each, and any surprise ended it all).
Its queue, throttle, table of answers and log are replaced through its own hooks: the queue because
nothing may wait here, the log because it would write texts and numbers.

Always true: `submit` ends, with an answer or with `LineLost` as soon as the line is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

from aiosmpplib import (
    ESME,
    AbstractBroker,
    AbstractCorrelator,
    AbstractHook,
    AbstractRetryTimer,
    AbstractThrottleHandler,
    DeliverSm,
    DeliverSmResp,
    PduHeader,
    SmppCommand,
    SmppCommandStatus,
    SmppMessage,
    SmppSessionState,
    SubmitSm,
    Unbind,
)
from aiosmpplib.correlator import SegmentStatus

from hodhod_server.domain.backoff import delay_s
from hodhod_server.settings.line_providers import SmppSettings
from hodhod_server.sms import smpp_pdus
from hodhod_server.sms.smpp_pdus import HEADER, PDU_BYTES_MAX, Answer

CONNECT_S: Final = 5.0  # also how long an enquire_link may stay unanswered
RETRY_FIRST_S: Final = 0.5
RETRY_MAX_S: Final = 30.0
GOODBYE_S: Final = 1.0
_SILENT: Final = logging.CRITICAL + 1
_RESPONSE: Final = 0x8000_0000
_COMMANDS: Final = frozenset(int(command) for command in SmppCommand)
_STATUSES: Final = frozenset(int(status) for status in SmppCommandStatus)


class LineLost(Exception):
    """No answer will come."""


class Flight:
    """A message on its way, until its answer. `is_written`: it may have left us."""

    __slots__ = ("answered", "is_written", "pdu")

    def __init__(self, pdu: SubmitSm) -> None:
        self.pdu = pdu
        self.is_written = False
        self.answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

    def end(self, answer: Answer | None) -> None:
        """With an answer, or with none ever."""
        if not self.answered.done():
            self.answered.set_result(answer)


class SmppLine:
    """One bound session, again and again. `on_delivery` answers whether the PDU was taken."""

    def __init__(
        self, settings: SmppSettings, on_delivery: Callable[[bytes], bool], dice: random.Random
    ) -> None:
        self.refused_by: int | None = None
        """The status with which the last bind was refused."""
        self._tried = asyncio.Event()
        """The first bind of this holding has been answered, or nobody is there to answer."""
        self._tried.set()
        self._flights: dict[str, Flight] = {}
        self._by_sequence: dict[int, Flight] = {}
        self._orders = _Orders(self._is_wanted)
        self._session = _Session(
            smsc_host=settings.host,
            smsc_port=settings.port,
            system_id=settings.system_id,
            password=settings.password.reveal().decode(),
            system_type=settings.system_type,
            enquire_link_interval=settings.enquire_s,
            socket_timeout=CONNECT_S,
            default_encoding=settings.alphabet,
            log_level=_SILENT,
            log_handler=logging.NullHandler(),
            hook=_Hook(self),
            broker=self._orders,
            correlator=_NoCorrelator(),
            throttle_handler=_NoThrottle(),
            retry_timer=_Patience(dice, self._tried.set),
        )
        self._session.on_delivery = on_delivery
        self._session.on_lost = self._on_lost

    @property
    def is_bound(self) -> bool:
        """May messages be sent?"""
        return self._session.session_state is SmppSessionState.BOUND_TRX

    @property
    def is_waiting_for_answers(self) -> bool:
        """Are messages on their way?"""
        return bool(self._flights)

    async def is_ready(self, patience_s: float) -> bool:
        """May messages be sent? Waits for the first bind, and for no later one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._tried.wait()
        return self.is_bound

    async def run(self) -> None:
        """Bind, and bind again, until cancelled; then say goodbye."""
        self._tried.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                session = tasks.create_task(self._session.start())
                try:
                    # Shielded: the library's own ending forgets to close the socket.
                    await asyncio.shield(session)
                finally:
                    await self._session.leave()
                    session.cancel()
        finally:
            self._tried.set()
            self._on_lost()

    async def submit(self, flight: Flight) -> Answer:
        """The SMSC's answer. Raises `LineLost`. Whoever gives up waiting just leaves."""
        if not self.is_bound:
            raise LineLost
        self._flights[flight.pdu.log_id] = flight
        self._orders.put(flight.pdu)
        try:
            answer = await flight.answered
        finally:
            del self._flights[flight.pdu.log_id]
            self._by_sequence.pop(flight.pdu.sequence_num, None)
        if answer is None:
            raise LineLost
        return answer

    def on_written(self, pdu: SmppMessage) -> None:
        """The library is about to write a PDU."""
        if isinstance(pdu, SubmitSm) and (flight := self._flights.get(pdu.log_id)):
            flight.is_written = True
            self._by_sequence[pdu.sequence_num] = flight

    def on_unsendable(self, pdu: SmppMessage) -> None:
        """The library could not encode or write a message."""
        if isinstance(pdu, SubmitSm) and (flight := self._flights.get(pdu.log_id)):
            flight.end(None)

    def on_received(self, octets: bytes) -> None:
        """Any PDU of the SMSC but `deliver_sm`."""
        answer = smpp_pdus.read_answer(octets)
        if answer.command == smpp_pdus.BIND_TRANSCEIVER_RESP:
            self.refused_by = answer.status or None
            self._tried.set()
        elif answer.command in (smpp_pdus.SUBMIT_SM_RESP, smpp_pdus.GENERIC_NACK):
            flight = self._by_sequence.pop(answer.sequence, None)
            if flight is not None:
                flight.end(answer)

    def _is_wanted(self, pdu: SubmitSm) -> bool:
        return pdu.log_id in self._flights

    def _on_lost(self) -> None:
        self._orders.clear()
        for flight in self._flights.values():
            flight.end(None)


class _Session(ESME):
    """The library's session with the replaced steps; nothing else knows its inside."""

    on_delivery: Callable[[bytes], bool]
    on_lost: Callable[[], None]
    _socket: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        self._hang_up()
        try:
            await super().connect()
        except BaseException:
            self._socket = self._writer
            self._hang_up()
            raise
        self._socket = self._writer

    async def leave(self) -> None:
        """Say goodbye, shortly, and close the socket."""
        if self.session_state is SmppSessionState.BOUND_TRX:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._send_data(Unbind())
        self._session_state = SmppSessionState.CLOSED
        if self._socket is not None:
            self._socket.close()
        self._socket = self._writer = None

    async def _get_pdu(self) -> tuple[bytes, PduHeader]:
        assert self._reader is not None
        try:
            head = await self._reader.readexactly(HEADER.size)
            length, command, status, sequence = HEADER.unpack(head)
            if not HEADER.size <= length <= PDU_BYTES_MAX:
                raise ConnectionError("not a length of a PDU")
            body = await self._reader.readexactly(length - HEADER.size)
        except (OSError, EOFError):
            self._lose()
            raise
        return head + body, PduHeader(length, _known(command), _known_status(status), sequence)

    async def _handle_request(self, pdu: bytes, header: PduHeader) -> SmppMessage | None:
        if header.smpp_command is not SmppCommand.DELIVER_SM:
            return await super()._handle_request(pdu, header)
        is_taken = self.on_delivery(pdu)
        status = SmppCommandStatus.ESME_ROK if is_taken else SmppCommandStatus.ESME_RX_T_APPN
        await self._send_data(
            DeliverSmResp(sequence_num=header.sequence_num, command_status=status)
        )
        return None

    async def _end_task(self, task: asyncio.Task[object]) -> None:
        self._lose()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # whatever it was, the line is lost, and is bound again

    def _lose(self) -> None:
        self._session_state = SmppSessionState.CLOSED
        self.on_lost()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None


def _known(command: int) -> SmppCommand:
    """One the library refuses politely, instead of one that ends the session."""
    if command in _COMMANDS:
        return SmppCommand(command)
    return SmppCommand.DATA_SM_RESP if command & _RESPONSE else SmppCommand.DATA_SM


def _known_status(status: int) -> SmppCommandStatus:
    """The true one is read from the octets by `smpp_pdus.read_answer`."""
    known = status in _STATUSES
    return SmppCommandStatus(status) if known else SmppCommandStatus.ESME_RUNKNOWNERR


class _Hook(AbstractHook):
    def __init__(self, line: SmppLine) -> None:
        self._line = line

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        self._line.on_written(smpp_message)

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        self._line.on_received(pdu)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        self._line.on_unsendable(smpp_message)


class _Orders(AbstractBroker):
    """Hands over at once; who has given up meanwhile is passed over."""

    def __init__(self, is_wanted: Callable[[SubmitSm], bool]) -> None:
        self._is_wanted = is_wanted
        self._waiting: asyncio.Queue[SubmitSm] = asyncio.Queue()  # bounded by the sending window

    def put(self, pdu: SubmitSm) -> None:
        self._waiting.put_nowait(pdu)

    def clear(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()

    async def enqueue(self, message: SmppMessage) -> None:
        raise NotImplementedError("what is sent here is put, with its number")

    async def dequeue(self) -> SmppMessage:
        while True:
            pdu = await self._waiting.get()
            if self._is_wanted(pdu):
                return pdu


class _Patience(AbstractRetryTimer):
    """Doubling with jitter, so that nodes who lost one SMSC do not come back together."""

    def __init__(self, dice: random.Random, on_wait: Callable[[], None]) -> None:
        self._dice = dice
        self._on_wait = on_wait
        self._attempt = 0

    async def wait(self) -> None:
        self._on_wait()
        await asyncio.sleep(self.next_delay())
        self._attempt += 1

    def reset(self) -> None:
        self._attempt = 0

    def next_delay(self) -> float:
        return delay_s(self._attempt, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S, dice=self._dice)


class _NoThrottle(AbstractThrottleHandler):
    """The router slows down; here nothing waits."""

    async def throttled(self) -> None:
        pass

    async def not_throttled(self) -> None:
        pass

    async def allow_request(self) -> bool:
        return True

    async def throttle_delay(self) -> float:
        return 0.0


class _NoCorrelator(AbstractCorrelator):
    """Answers are matched by `SmppLine`; the library's table would be walked whole for each."""

    def get_cumulated_status(self, ref_num: int) -> int:
        return 0

    async def expired(self, smpp_message: SmppMessage) -> None:
        pass

    async def put(self, smpp_message: SmppMessage) -> None:
        pass

    async def put_delivery(self, smsc_message_id: str, submit_sm: SubmitSm) -> None:
        pass

    async def put_delivery_segmented(self, deliver_sm: DeliverSm) -> DeliverSm | None:
        return deliver_sm

    async def get(self, response: SmppMessage) -> SmppMessage | None:
        return None

    async def get_segmented(
        self, smpp_seq_num: int, remove: bool = False
    ) -> tuple[SegmentStatus | None, int]:
        return None, 0

    async def get_delivery(self, receipt: DeliverSm) -> SubmitSm | None:
        return None
