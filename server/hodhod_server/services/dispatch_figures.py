"""What the dispatcher shows in the metrics: how things stand, and which text was typed.

A challenge is out of the dispatcher's mind as soon as nothing more is planned for it, often before
its code is typed. So who carried what is remembered here for as long as a code may live, a few
words for each challenge. Always true: a code that was typed is counted once, for the newest text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hodhod_server.domain.challenges import DEVICE, Challenge, Send
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.sms.breaker import Cause, Health
from hodhod_server.sms.provider import Channel, Terms
from hodhod_server.sms.router import RoadState, Router
from hodhod_server.telemetry import logs, metrics

log = logs.get("dispatch")
CARRIED_MAX: Final = 200_000  # of the newest: three hundred a second for as long as codes live
QUANTILES: Final = ("0.5", "0.9")


class _Carried(msgspec.Struct):
    operator: str
    first_at: dict[str, datetime]
    newest: str
    newest_at: datetime
    is_seen: bool = False


class Figures:
    """Those of one dispatcher."""

    def __init__(self, terms: Sequence[Terms], kept: timedelta) -> None:
        self._channels: list[Channel] = list(dict.fromkeys(item.channel for item in terms))
        self._kept = kept
        self._carried: dict[ChallengeId, _Carried] = {}
        self._health: dict[str, Health] = {}

    def show(self, router: Router, orders: int) -> None:
        """How things stand."""
        metrics.SIGNUP_DISPATCHING.set(1)
        metrics.SIGNUP_INCIDENT.set(router.is_incident)
        metrics.SIGNUP_ORDERS.set(orders)
        for channel in self._channels:
            metrics.SIGNUP_QUEUE.labels(channel).set(router.waiting(channel))
            for quantile, wait_s in zip(QUANTILES, router.wait_s(channel), strict=True):
                metrics.SIGNUP_WAIT_SECONDS.labels(channel, quantile).set(wait_s)
        for state in router.states():
            self._show_road(state)

    def _show_road(self, state: RoadState) -> None:
        name = state.provider
        metrics.SIGNUP_PROVIDER_PACE.labels(name).set(state.rate_per_s)
        metrics.SIGNUP_PROVIDER_IN_FLIGHT.labels(name).set(state.in_flight)
        metrics.SIGNUP_PROVIDER_SUCCESS.labels(name).set(state.believed)
        for health in Health:
            metrics.SIGNUP_PROVIDER_HEALTH.labels(name, health).set(state.health is health)
        before = self._health.get(name, state.health)
        self._health[name] = state.health
        if before is not state.health:
            cause = Cause(state.cause).name.lower()
            metrics.SIGNUP_BREAKER_EVENTS.labels(name, state.health, cause).inc()
            tell = log.info if state.health in (Health.OK, Health.WEAK) else log.warning
            tell("provider.health", provider=name, health=str(state.health), cause=cause)

    def clear(self) -> None:
        """Another process dispatches now: what this one showed is not so any more."""
        for gauge in (metrics.SIGNUP_DISPATCHING, metrics.SIGNUP_INCIDENT, metrics.SIGNUP_ORDERS):
            gauge.set(0)
        for gauge in (
            metrics.SIGNUP_QUEUE,
            metrics.SIGNUP_WAIT_SECONDS,
            metrics.SIGNUP_PROVIDER_PACE,
            metrics.SIGNUP_PROVIDER_IN_FLIGHT,
            metrics.SIGNUP_PROVIDER_SUCCESS,
            metrics.SIGNUP_PROVIDER_HEALTH,
        ):
            gauge.clear()

    def take(self, challenge: Challenge) -> None:
        """A challenge that was begun under an earlier dispatcher."""
        for send in challenge.sends:
            if send.is_taken and send.provider != DEVICE:
                self.note_taken(challenge, send)
        if challenge.challenge in self._carried:
            self._carried[challenge.challenge].is_seen = challenge.seen_at is not None

    def note_taken(self, challenge: Challenge, send: Send) -> None:
        """A provider took it."""
        known = self._carried.setdefault(
            challenge.challenge, _Carried(challenge.operator, {}, send.provider, send.at)
        )
        known.first_at.setdefault(send.provider, send.at)
        if send.at >= known.newest_at:
            known.newest, known.newest_at = send.provider, send.at
        self._forget(send.at - self._kept)

    def note_seen(self, challenge: ChallengeId) -> None:
        """The newcomer's program says that a text has come."""
        known = self._carried.get(challenge)
        if known is not None and not known.is_seen:
            known.is_seen = True
            metrics.SIGNUP_SEEN.labels(known.newest, known.operator).inc()

    def note_verified(self, challenge: ChallengeId, at: datetime) -> None:
        """The code was typed: most likely that of the newest text."""
        known = self._carried.pop(challenge, None)
        if known is None:
            return
        metrics.SIGNUP_VERIFIED.labels(known.newest, known.operator).inc()
        metrics.SIGNUP_VERIFIED_SECONDS.labels(known.newest).observe(
            (at - known.first_at[known.newest]).total_seconds()
        )

    def _forget(self, before: datetime) -> None:
        while self._carried:
            oldest = next(iter(self._carried))
            if len(self._carried) <= CARRIED_MAX and self._carried[oldest].newest_at >= before:
                return
            del self._carried[oldest]
