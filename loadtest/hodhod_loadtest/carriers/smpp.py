"""An SMSC that behaves as its law says: it takes, delays, throttles, forgets, cuts, and reports.

The protocol is smpp34's, an implementation that shares nothing with the server's. In front of it
stands a relay, because the library can neither break a connection nor show every field of a
`submit_sm`: the relay does both.

Always true: the law is asked once for each message, in the order of arrival. Only the newest
`REMEMBERED_MAX` messages are remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Self

import smpp34

REMEMBERED_MAX: Final = 100_000
HOST: Final = "127.0.0.1"
UCS2: Final = 8
RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427
MESSAGE_STATES: Final = {"DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5, "ACCEPTD": 6, "REJECTD": 8}
_HEAD: Final = struct.Struct("!II")
_SUBMIT_SM: Final = 4
_RECEIPT: Final = 0x04


class Report:
    """A receipt to come: `stat` after `after_s`, by TLVs or in the usual text."""

    def __init__(
        self,
        stat: str = "DELIVRD",
        after_s: float = 0.0,
        *,
        has_tlvs: bool = True,
        message_id: str = "",
    ) -> None:
        self.stat = stat
        self.after_s = after_s
        self.has_tlvs = has_tlvs
        self.message_id = message_id
        """As this report spells it; empty: as in the answer."""


class Verdict:
    """What becomes of a message. The default is taken at once, and no report."""

    def __init__(
        self,
        status: int = 0,
        *,
        after_s: float = 0.0,
        message_id: str = "",
        is_answered: bool = True,
        cuts: bool = False,
        reports: Sequence[Report] = (),
    ) -> None:
        self.status = status
        self.after_s = after_s
        self.message_id = message_id
        self.is_answered = is_answered
        self.cuts = cuts
        self.reports = reports


Law = Callable[[smpp34.SubmitSmEvent], Verdict]


def accept_all(_: smpp34.SubmitSmEvent) -> Verdict:
    """The law of a carrier that does its work."""
    return Verdict(reports=(Report(),))


def text_of(submit: smpp34.SubmitSmEvent | smpp34.SubmitSm) -> str:
    """What the phone would show."""
    payloads = [tlv.value for tlv in submit.tlvs if tlv.tag == MESSAGE_PAYLOAD]
    octets = submit.short_message or b"".join(payloads)
    return octets.decode("utf-16-be" if submit.data_coding == UCS2 else "latin-1")


class Smsc:
    """The carrier. `submits` are the messages as they came over the wire."""

    def __init__(self, law: Law, tasks: asyncio.TaskGroup) -> None:
        self.law = law
        self.port = 0
        self.submits: deque[smpp34.SubmitSm] = deque(maxlen=REMEMBERED_MAX)
        self.system_ids: list[str] = []
        self._tasks = tasks
        self._numbers = itertools.count(1)
        self._sessions: dict[str, smpp34.Esme] = {}
        self._held: list[smpp34.SubmitSmEvent] = []
        self._ends: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, law: Law = accept_all, *, port: int = 0) -> AsyncIterator[Self]:
        """Listen on a loopback port for the life of the block."""
        inner_port = _free_port()
        server = smpp34.Server(HOST, inner_port, system_id="CARRIER")
        await server.start()
        async with asyncio.TaskGroup() as tasks:
            smsc = cls(law, tasks)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await smsc._relay(reader, writer, inner_port)

            relay = await asyncio.start_server(serve, HOST, port)
            smsc.port = relay.sockets[0].getsockname()[1]
            pumping = tasks.create_task(smsc._pump(server))
            try:
                yield smsc
            finally:
                relay.close()
                smsc.thaw()
                smsc.cut()
                pumping.cancel()
                await server.stop()

    @property
    def sessions(self) -> Sequence[smpp34.Esme]:
        """Those bound now, the newest last."""
        return tuple(self._sessions.values())

    def cut(self) -> None:
        """Break every connection without a word."""
        for end in self._ends:
            end.transport.abort()

    def freeze(self) -> None:
        """Nothing passes either way, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """As before."""
        self._flowing.set()

    async def unbind(self) -> None:
        """Send every session away, politely."""
        for session in self.sessions:
            with contextlib.suppress(smpp34.SmppError):
                await session.unbind()

    async def deliver(self, line: str, octets: bytes, **fields: Any) -> int:
        """A text or a receipt to the newest session; the status of its answer."""
        return (await self.sessions[-1].deliver_sm(line, octets, **fields)).command_status

    async def _pump(self, server: smpp34.Server) -> None:
        while True:
            event = await server.next()
            if isinstance(event, smpp34.Esme):
                self.system_ids.append(event.system_id)
                self._sessions[event.session_id] = event
            elif isinstance(event, smpp34.Unbound):
                self._sessions.pop(event.session_id, None)
            else:
                self._judge(event)

    def _judge(self, submit: smpp34.SubmitSmEvent) -> None:
        verdict = self.law(submit)
        if verdict.cuts:
            self.cut()
        if verdict.cuts or not verdict.is_answered:
            self._held.append(submit)  # letting go of it would be an answer
            return
        message_id = verdict.message_id or str(next(self._numbers))
        if verdict.after_s or verdict.reports:
            self._tasks.create_task(self._follow(submit, verdict, message_id))
        else:
            _answer(submit, verdict, message_id)

    async def _follow(
        self, submit: smpp34.SubmitSmEvent, verdict: Verdict, message_id: str
    ) -> None:
        """The answer and the reports, each in its own time."""
        async with asyncio.TaskGroup() as tasks:
            for report in verdict.reports:
                tasks.create_task(self._report(submit, report, message_id))
            await asyncio.sleep(verdict.after_s)
            _answer(submit, verdict, message_id)

    async def _report(self, submit: smpp34.SubmitSmEvent, report: Report, message_id: str) -> None:
        await asyncio.sleep(report.after_s)
        session = self._sessions.get(submit.session_id) or next(iter(self.sessions[-1:]), None)
        if session is None:
            return  # who is not bound gets no report
        spelt = report.message_id or message_id
        tlvs = [
            smpp34.Tlv(RECEIPTED_MESSAGE_ID, spelt.encode() + b"\0"),
            smpp34.Tlv(MESSAGE_STATE, bytes([MESSAGE_STATES[report.stat]])),
        ]
        text = (
            f"id:{spelt} sub:001 dlvrd:001 submit date:2603211200 done date:260321120001 "
            f"stat:{report.stat} err:00A text:"
        )
        with contextlib.suppress(smpp34.SmppError):
            await session.deliver_sm(
                submit.source_addr,
                b"" if report.has_tlvs else text.encode(),
                source_addr=submit.destination_addr,
                esm_class=_RECEIPT,
                tlvs=tlvs if report.has_tlvs else [],
            )

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner_port: int
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(HOST, inner_port)
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, far_writer, self._note))
                tasks.create_task(self._pass_on(far_reader, writer, None))
        finally:
            self._ends -= ends

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        note: Callable[[bytes], None] | None,
    ) -> None:
        """PDU by PDU, until either side goes."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = await reader.readexactly(_HEAD.size)
                length, command = _HEAD.unpack(head)
                pdu = head + await reader.readexactly(length - _HEAD.size)
                if note is not None and command == _SUBMIT_SM:
                    note(pdu)
                await self._flowing.wait()
                writer.write(pdu)
                await writer.drain()
        writer.close()

    def _note(self, pdu: bytes) -> None:
        submit = smpp34.decode(pdu)
        if isinstance(submit, smpp34.SubmitSm):
            self.submits.append(submit)


def _answer(submit: smpp34.SubmitSmEvent, verdict: Verdict, message_id: str) -> None:
    if verdict.status:
        submit.reject(verdict.status)
    else:
        submit.accept(message_id)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
