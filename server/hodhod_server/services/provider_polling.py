"""Asking providers that do not call: for texts from people, and what became of messages.

The inbox is asked each second while texts come, and ever more seldom while none do; some providers
show each text only once, so what was read is stored before anything else is asked. Receipts are
asked for in the batches a provider takes, as fast as they bring news.

Always true: a text that was read reaches the listener, which is tried until it has stored it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from hodhod_server.sms.provider import (
    Arrival,
    Inbound,
    Listener,
    Polled,
    Provider,
    Receipt,
    ReceiptState,
)
from hodhod_server.telemetry import logs

log = logs.get("provider_polling")
INBOX_S: Final = (1.0, 10.0)
RECEIPTS_S: Final = (2.0, 30.0)
STORING_S: Final = (1.0, 10.0)
SLOWER: Final = 1.5
PAGE_TEXTS: Final = 50  # of pages of 100; so many mean that more wait than one page holds
NEXT_PAGE_S: Final = 0.2  # at a page each two seconds no more than 50 people a second would come in
TEXTS_REMEMBERED: Final = 1_000  # ten pages of the largest inbox


PendingReceipts = Callable[[str, int], Awaitable[Sequence[str]]]
"""For a provider, at most so many ids whose receipts are worth asking for: those that were given
longest ago first, and being given counts as having been asked for."""


class _Pace:
    """How long to wait: the least after news, then longer each time."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self._least_s, self._most_s = least_s, most_s
        self._wait_s = least_s

    async def wait(self, *, has_news: bool) -> None:
        self._wait_s = self._least_s if has_news else min(self._most_s, self._wait_s * SLOWER)
        await asyncio.sleep(self._wait_s)


class ProviderPolling:
    """Asks every provider that wants to be asked."""

    def __init__(
        self, providers: Mapping[str, Provider], pending: PendingReceipts, listener: Listener
    ) -> None:
        self._providers = {
            name: provider for name, provider in providers.items() if isinstance(provider, Polled)
        }
        self._pending = pending
        self._listener = listener

    async def run(self) -> None:
        """Ask for ever; one provider's slowness is not another's."""
        async with asyncio.TaskGroup() as tasks:
            for name, provider in self._providers.items():
                tasks.create_task(self._watch_inbox(name, provider))
                tasks.create_task(self._watch_receipts(name, provider))

    async def _watch_inbox(self, name: str, provider: Polled) -> None:
        pace, known = _Pace(*INBOX_S), deque[str](maxlen=TEXTS_REMEMBERED)
        while True:
            texts = [text for text in await provider.inbox() if text.message_id not in known]
            await self._store(name, texts)
            known.extend(text.message_id for text in texts if text.message_id)
            if len(texts) >= PAGE_TEXTS:
                await asyncio.sleep(NEXT_PAGE_S)
            else:
                await pace.wait(has_news=bool(texts))

    async def _watch_receipts(self, name: str, provider: Polled) -> None:
        pace = _Pace(*RECEIPTS_S)
        while True:
            news = await self._ask_receipts(name, provider)
            await self._store(name, news)
            await pace.wait(has_news=bool(news))

    async def _ask_receipts(self, name: str, provider: Polled) -> list[Receipt]:
        try:
            ids = await self._pending(name, provider.poll_max)
        except Exception:
            log.exception("receipts.not_asked", provider=name)
            return []
        told = await provider.receipts(ids) if ids else []
        return [receipt for receipt in told if receipt.state is not ReceiptState.UNKNOWN]

    async def _store(self, name: str, arrivals: Sequence[Arrival]) -> None:
        """Have them stored, however long that takes: nobody would tell them again."""
        pace = _Pace(*STORING_S)
        while arrivals:
            try:
                await self._listener(arrivals)
            except Exception:
                texts = sum(isinstance(arrival, Inbound) for arrival in arrivals)
                log.exception("arrivals.not_stored", provider=name, texts=texts)
                await pace.wait(has_news=False)
            else:
                return
