"""Codes by e-mail, through a mail server that relays for us (RFC 5321).

Connections are kept for `IDLE_S`, since TLS and login cost more than the message. One that the
server has closed meanwhile is replaced once, before anything of the message was said on it.

Always true: nothing in the message tells whether it was read, and `Auto-Submitted` keeps machines
from answering it (RFC 3834). Silence after the text was written is `AMBIGUOUS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from types import SimpleNamespace
from typing import Final

import aiosmtplib

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.email import EmailAddress
from hodhod_server.settings.line_providers import SmtpSettings
from hodhod_server.sms.provider import SEND_S, CodeMessage, Outcome, OutcomeClass, Terms

IDLE_S: Final = 30.0
IDLE_MAX: Final = 8
SUBJECTS: Final[Mapping[Locale, str]] = {"fa": "کد ورود هدهد", "en": "Your Hodhod code"}
_REFUSED: Final = range(500, 600)
# Not about this person: syntax, order, login, relaying.
_OURS_TO_MEND: Final = (500, 501, 502, 503, 504, 530, 534, 535, 538)


class Smtp:
    """One mail server."""

    def __init__(self, settings: SmtpSettings, terms: Terms, clock: Clock) -> None:
        self.terms = terms
        self._settings = settings
        self._clock = clock
        self._tls = _tls(settings)
        self._idle: deque[tuple[float, aiosmtplib.SMTP]] = deque()

    async def send(self, message: CodeMessage) -> Outcome:
        if not isinstance(message.to, EmailAddress):
            return Outcome(kind=OutcomeClass.RECIPIENT, answer="no address")
        step = SimpleNamespace(name="connect")
        try:
            async with asyncio.timeout(SEND_S):
                return await self._hand_over(message, message.to, step)
        except aiosmtplib.SMTPResponseException as error:
            return _judge(step.name, error.code)
        except ssl.SSLError:
            return Outcome(kind=OutcomeClass.CONFIG, answer="tls")
        except (aiosmtplib.SMTPException, TimeoutError, OSError):
            if step.name == "data":
                return Outcome(kind=OutcomeClass.AMBIGUOUS, answer="no answer")
            return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer=f"lost at {step.name}")

    async def close(self) -> None:
        """Hang up every kept connection."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _hand_over(
        self, message: CodeMessage, to: EmailAddress, step: SimpleNamespace
    ) -> Outcome:
        client = await self._connected(step)
        try:
            step.name = "rcpt"
            await client.rcpt(to.address)
            step.name = "data"
            done = await client.data(self._text(message, to).as_bytes(policy=SMTP))
        except BaseException:
            client.close()
            raise
        self._keep(client)
        return Outcome(
            kind=OutcomeClass.ACCEPTED, message_id=message.reference, answer=f"smtp {done.code}"
        )

    async def _connected(self, step: SimpleNamespace) -> aiosmtplib.SMTP:
        """A connection on which the sender is named; a kept one may prove dead."""
        now_s = asyncio.get_running_loop().time()
        while self._idle:
            kept_s, client = self._idle.pop()
            if now_s - kept_s < IDLE_S and client.is_connected:
                with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                    await client.mail(self._settings.sender)
                    return client
            client.close()
        return await self._new(step)

    async def _new(self, step: SimpleNamespace) -> aiosmtplib.SMTP:
        own = self._settings
        client = aiosmtplib.SMTP(
            hostname=own.host,
            port=own.port,
            timeout=SEND_S,
            use_tls=own.tls == "implicit",
            start_tls=own.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if own.username:
                step.name = "login"
                await client.login(own.username, own.password.reveal().decode())
            step.name = "mail"
            await client.mail(own.sender)
        except BaseException:
            client.close()
            raise
        return client

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._idle.append((asyncio.get_running_loop().time(), client))
        if len(self._idle) > IDLE_MAX:
            self._idle.popleft()[1].close()

    def _text(self, message: CodeMessage, to: EmailAddress) -> EmailMessage:
        own = self._settings
        mail = EmailMessage()
        mail["From"] = email.utils.formataddr((own.sender_name, own.sender))
        mail["To"] = to.address
        mail["Subject"] = SUBJECTS[message.locale]
        mail["Date"] = email.utils.format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{message.reference}@{own.sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = message.locale
        mail.set_content(message.text, cte="base64" if not message.text.isascii() else None)
        return mail


def _tls(settings: SmtpSettings) -> ssl.SSLContext | None:
    if settings.tls == "none":
        return None
    return ssl.create_default_context(cafile=settings.ca_file or None)


def _judge(step: str, code: int) -> Outcome:
    """What a refusal means, by what was refused."""
    answer = f"smtp {code} at {step}"
    if code not in _REFUSED:
        kind = OutcomeClass.PROVIDER_FAULT
    elif step == "rcpt" and code not in _OURS_TO_MEND:
        kind = OutcomeClass.RECIPIENT
    elif step == "data" and code not in _OURS_TO_MEND:
        kind = OutcomeClass.PROVIDER_FAULT
    else:
        kind = OutcomeClass.CONFIG
    return Outcome(kind=kind, answer=answer)


@contextlib.asynccontextmanager
async def open_smtp(settings: SmtpSettings, terms: Terms, clock: Clock) -> AsyncIterator[Smtp]:
    """The provider, for the life of the block."""
    provider = Smtp(settings, terms, clock)
    try:
        yield provider
    finally:
        await provider.close()
