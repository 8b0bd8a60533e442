"""The settings of sign-up."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Niceness, Positive, PositiveS
from hodhod_server.settings.providers import AnyProvider, ConsoleSettings


def _require_own_names(providers: tuple[AnyProvider, ...]) -> tuple[AnyProvider, ...]:
    names = [provider.name for provider in providers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two providers are called {', '.join(twice)}: give each its own name")
    if not providers:
        raise ValueError("nobody carries codes: name a provider")
    return providers


Providers = Annotated[tuple[AnyProvider, ...], AfterValidator(_require_own_names)]


@dataclass(config=SECTION, kw_only=True)
class SignupSettings:
    """[signup] How newcomers prove their number."""

    providers: Providers = (ConsoleSettings(name="console"),)
    """Who carries the codes, each with its kind: see the tables below. In the environment: JSON."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """How many `hodhod up` starts; they share the port, and one of them hands codes over."""

    niceness: Niceness = 5
    """By how much newcomers give way to messages where cores are short: those wait for seconds
    anyway, these for milliseconds."""

    code_validity_s: Annotated[int, Field(ge=60, le=600)] = 600
    """From hand-off. NIST 800-63B and ASVS 6.5.5 allow ten minutes at most."""

    second_generation_s: Annotated[int, Field(ge=30, le=600)] = 480
    """A send this long after the first carries a new code; both are accepted while they live."""

    tries_max: Positive = 5
    """Wrong codes per challenge."""

    tries_per_phone_hour_max: Positive = 10
    """Wrong codes per number and hour, over all its challenges."""

    tries_per_phone_day_max: Positive = 15
    """Wrong codes per number and day, over all its challenges: a guess in 66,000 days."""

    handoffs_max: Positive = 5
    """Codes handed over per number in ten minutes; more would be bombing."""

    handoffs_per_hour_max: Positive = 8
    """The same in an hour: somebody who needs more needs another way."""

    handoffs_per_day_max: Positive = 12
    """The same in a day: signing in on a few devices, and no more."""

    calls_per_hour_max: Positive = 2
    """Calls per number in an hour: a ringing phone is worse than a text."""

    calls_per_day_max: Positive = 3
    """The same in a day."""

    hedge_s: PositiveS = 20.0
    """The same code by another road after so long. Earlier costs texts, later costs time."""

    device_first: bool = True
    """Where the number's owner is online on a device that was asked whether to let them in, the
    text waits `hedge_s`: nine of ten need none. As long as a second text, so that it tells nobody
    which numbers have an account."""

    inbound_lines: tuple[str, ...] = ()
    """Numbers of ours that receive texts: newcomers may prove theirs by writing to the first."""

    long_poll_s: Annotated[float, Field(ge=0, le=55)] = 25.0
    """How long a question after the status may wait for news; proxies often cut after 60 s."""

    watchers_max: Positive = 20_000
    """Questions that wait at once, in this process. Beyond, they are answered as things stand."""

    sends_kept_days: Positive = 30
    """How long it is kept which provider carried a code when, and why: for statistics."""
