"""What every provider over HTTP is given: its terms, its settings, its pool of connections."""

from __future__ import annotations

from typing import Generic, TypeVar

from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.sms.http_sender import HttpSender
from hodhod_server.sms.provider import Terms

S = TypeVar("S", bound=ProviderSettings)


class HttpProvider(Generic[S]):
    """One account. A kind adds how it is asked, and what its answers mean."""

    def __init__(self, terms: Terms, settings: S, http: HttpSender) -> None:
        self.terms = terms
        self._settings = settings
        self._http = http
