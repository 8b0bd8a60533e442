"""Every provider of the settings, open for the life of a process.

What a kind needs is known by its opener alone: a pool of HTTP connections here, a bound session
elsewhere, which hands what it hears to the listener.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from hodhod_server.domain.clock import Clock
from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.settings.generic_provider import GenericSettings
from hodhod_server.settings.http_providers import (
    FarazSmsSettings,
    GhasedakSettings,
    IpPanelSettings,
    KavenegarSettings,
    MeliPayamakSettings,
    MessageWaySettings,
    SmsIrSettings,
)
from hodhod_server.settings.line_providers import KannelSettings, SmppSettings, SmtpSettings
from hodhod_server.settings.providers import AnyProvider, ConsoleSettings
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.sms.farazsms import FarazSms
from hodhod_server.sms.generic import Generic
from hodhod_server.sms.ghasedak import Ghasedak
from hodhod_server.sms.http_sender import open_http
from hodhod_server.sms.ippanel import IpPanel
from hodhod_server.sms.kannel import Kannel, open_kannel
from hodhod_server.sms.kavenegar import Kavenegar
from hodhod_server.sms.melipayamak import MeliPayamak
from hodhod_server.sms.msgway import MessageWay
from hodhod_server.sms.provider import CallingBack, Channel, Listener, Provider, Terms
from hodhod_server.sms.smpp import open_smpp
from hodhod_server.sms.smsir import SmsIr
from hodhod_server.sms.smtp import open_smtp

Providers = Mapping[str, Provider]
"""By name, in the order of the settings."""
Opener = Callable[[Any, Terms, Clock, Listener], AbstractAsyncContextManager[Provider]]

_OVER_HTTP: Final[Mapping[type[ProviderSettings], type[Any]]] = {
    KavenegarSettings: Kavenegar,
    SmsIrSettings: SmsIr,
    GhasedakSettings: Ghasedak,
    MeliPayamakSettings: MeliPayamak,
    FarazSmsSettings: FarazSms,
    IpPanelSettings: IpPanel,
    MessageWaySettings: MessageWay,
    GenericSettings: Generic,
}


@contextlib.asynccontextmanager
async def open_providers(
    providers: Sequence[AnyProvider], clock: Clock, listener: Listener
) -> AsyncIterator[Providers]:
    """All of them; `listener` gets what those tell that need not be asked."""
    async with contextlib.AsyncExitStack() as stack:
        opened: dict[str, Provider] = {}
        for settings in providers:
            opener = OPENERS[type(settings)]
            opening = opener(settings, terms_of(settings), clock, listener)
            opened[settings.name] = await stack.enter_async_context(opening)
        yield opened


def calls_back(settings: AnyProvider) -> bool:
    """Does this kind tell what happened by calling us?"""
    kind = _OVER_HTTP.get(
        type(settings), Kannel if isinstance(settings, KannelSettings) else object
    )
    return issubclass(kind, CallingBack)


def terms_of(settings: AnyProvider) -> Terms:
    """What is agreed with a provider; its failure domain is its own unless it is named."""
    return Terms(
        name=settings.name,
        channel=Channel(settings.channel),
        failure_domain=settings.failure_domain or settings.name,
        rate_per_s=settings.rate_per_s,
        in_flight_max=settings.in_flight_max,
        cost=settings.cost,
    )


@contextlib.asynccontextmanager
async def _open_console(
    _: ConsoleSettings, terms: Terms, clock: Clock, __: Listener
) -> AsyncIterator[Provider]:
    yield ConsoleProvider(terms, clock)


@contextlib.asynccontextmanager
async def _open_over_http(
    settings: Any, terms: Terms, _: Clock, __: Listener
) -> AsyncIterator[Provider]:
    async with open_http(settings.base_url, terms.in_flight_max) as http:
        provider: Provider = _OVER_HTTP[type(settings)](terms, settings, http)
        yield provider


def _open_smpp(
    settings: SmppSettings, terms: Terms, _: Clock, listener: Listener
) -> AbstractAsyncContextManager[Provider]:
    return open_smpp(settings, terms, listener, random.Random())


def _open_kannel(
    settings: KannelSettings, terms: Terms, _: Clock, __: Listener
) -> AbstractAsyncContextManager[Provider]:
    return open_kannel(settings, terms)


def _open_smtp(
    settings: SmtpSettings, terms: Terms, clock: Clock, _: Listener
) -> AbstractAsyncContextManager[Provider]:
    return open_smtp(settings, terms, clock)


OPENERS: Final[Mapping[type[ProviderSettings], Opener]] = {
    ConsoleSettings: _open_console,
    **dict.fromkeys(_OVER_HTTP, _open_over_http),
    SmppSettings: _open_smpp,
    KannelSettings: _open_kannel,
    SmtpSettings: _open_smtp,
}
