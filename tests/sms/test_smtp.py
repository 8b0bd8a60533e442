"""Codes by e-mail, against a mail server of another make."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP as Protocol
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from hodhod_server.domain.email import EmailAddress
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.line_providers import SmtpSettings
from hodhod_server.sms.provider import OutcomeClass
from hodhod_server.sms.smtp import Smtp, open_smtp
from tests.clock import FakeClock
from tests.codes_to_carry import PERSIAN, code_message
from tests.free_ports import free_port
from tests.providers import terms

TO = EmailAddress("she@example.org")


class MailServer:
    """Takes mail, or answers as it is told."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.connections = 0
        self.rcpt = "250 OK"
        self.data: str | None = "250 OK"
        self._transports: list[asyncio.BaseTransport] = []

    async def handle_RCPT(
        self,
        server: Protocol,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Protocol, session: Session, envelope: Envelope) -> str:
        if self.data is None:
            self.hang_up()
            return "250 OK"
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return self.data

    def hang_up(self) -> None:
        for transport in self._transports:
            transport.close()

    def connected(self) -> Protocol:
        self.connections += 1
        server = self

        class Counted(Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                server._transports.append(transport)
                super().connection_made(transport)

        return Counted(
            self,
            hostname="mail.example.org",
            authenticator=_may_enter,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )


def _may_enter(
    server: Protocol, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data == LoginPassword(b"hodhod", b"secret"), handled=False)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    mail_server = MailServer()
    server = await asyncio.get_running_loop().create_server(mail_server.connected, "127.0.0.1", 0)
    mail_server.port = server.sockets[0].getsockname()[1]
    yield mail_server
    server.close()
    mail_server.hang_up()
    await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def opened(port: int, password: bytes = b"secret") -> AsyncIterator[Smtp]:
    settings = SmtpSettings(
        name="mail",
        host="127.0.0.1",
        port=port,
        tls="none",
        username="hodhod",
        password=Secret(password),
        sender="login@hodhod.example",
    )
    async with open_smtp(settings, terms("mail"), FakeClock()) as provider:
        yield provider


async def test_a_mail_carries_the_code_in_persian_and_asks_for_no_answer(
    mail_server: MailServer,
) -> None:
    async with opened(mail_server.port) as provider:
        outcome = await provider.send(code_message(TO, reference="r1"))
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "r1")
    (mail,) = mail_server.mails
    assert (mail["To"], mail["From"]) == ("she@example.org", "Hodhod <login@hodhod.example>")
    assert mail["Subject"] == "کد ورود هدهد"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<r1@hodhod.example>"
    assert mail["Date"] == "Sat, 21 Mar 2026 12:00:00 +0000"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().strip() == PERSIAN


async def test_a_connection_serves_many_and_is_replaced_when_it_is_dead(
    mail_server: MailServer,
) -> None:
    async with opened(mail_server.port) as provider:
        for number in range(3):
            await provider.send(code_message(TO, reference=str(number)))
        assert mail_server.connections == 1
        mail_server.hang_up()
        assert (await provider.send(code_message(TO))).kind is OutcomeClass.ACCEPTED
        assert mail_server.connections == 2


@pytest.mark.parametrize(
    ("rcpt", "kind"),
    [
        ("550 no such person", OutcomeClass.RECIPIENT),
        ("552 full for ever", OutcomeClass.RECIPIENT),
        ("450 try later", OutcomeClass.PROVIDER_FAULT),
        ("530 who are you", OutcomeClass.CONFIG),
    ],
)
async def test_a_refused_recipient_is_told_from_a_refused_server(
    mail_server: MailServer, rcpt: str, kind: OutcomeClass
) -> None:
    mail_server.rcpt = rcpt
    async with opened(mail_server.port) as provider:
        assert (await provider.send(code_message(TO))).kind is kind
        mail_server.rcpt = "250 OK"
        assert (await provider.send(code_message(TO))).kind is OutcomeClass.ACCEPTED


async def test_a_wrong_password_is_for_the_operator_to_mend(mail_server: MailServer) -> None:
    async with opened(mail_server.port, b"wrong") as provider:
        outcome = await provider.send(code_message(TO))
    assert (outcome.kind, outcome.answer) == (OutcomeClass.CONFIG, "smtp 535 at login")


async def test_a_server_that_hangs_up_over_the_text_may_have_sent_it(
    mail_server: MailServer,
) -> None:
    mail_server.data = None
    async with opened(mail_server.port) as provider:
        assert (await provider.send(code_message(TO))).kind is OutcomeClass.AMBIGUOUS


async def test_no_server_took_nothing() -> None:
    async with opened(free_port()) as provider:
        assert (await provider.send(code_message(TO))).kind is OutcomeClass.PROVIDER_FAULT


async def test_a_number_is_no_address(mail_server: MailServer) -> None:
    async with opened(mail_server.port) as provider:
        assert (await provider.send(code_message())).kind is OutcomeClass.RECIPIENT
