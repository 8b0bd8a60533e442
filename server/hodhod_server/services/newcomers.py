"""Sign-up put together over its carriers: what newcomers can do, and the loops behind it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ladder import LadderRules
from hodhod_server.services.arrivals import Arrivals
from hodhod_server.services.dispatching import Desk, Dispatcher, Office
from hodhod_server.services.outlook import Outlook, ways_of
from hodhod_server.services.proving import Proving
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.signup import Signup, rules_of
from hodhod_server.services.watching import Watching
from hodhod_server.settings import Settings
from hodhod_server.sms.provider import Provider
from hodhod_server.store.database import Database
from hodhod_server.store.leadership import Leadership

DISPATCHER: Final = 0x686F64_01  # the office of the one who hands codes over


class Newcomers(NamedTuple):
    """What a newcomer can do, what carriers tell of it, and the loops behind."""

    signup: Signup
    proving: Proving
    arrivals: Arrivals
    outlook: Outlook
    loops: Sequence[Callable[[], Awaitable[None]]]


def build_newcomers(
    settings: Settings,
    database: Database,
    clock: Clock,
    sessions: Sessions,
    providers: Sequence[Provider],
) -> Newcomers:
    """Sign-up over these providers. One connection is taken beside the pool's: the leader's."""
    own, rules = settings.signup, rules_of(settings.signup)
    keys, random = Keys.from_master(settings.security.master_key), Random(secrets.randbits(64))
    terms = [provider.terms for provider in providers]
    ways = ways_of(terms, takes_messages=bool(own.inbound_lines))
    outlook = Outlook(database, clock, ways)
    watching = Watching(database, random, watchers_max=own.watchers_max)
    leadership = Leadership(settings.database, DISPATCHER, "dispatcher")
    dispatcher = Dispatcher(
        Desk(database, leadership, outlook, watching, clock),
        Office(rules, LadderRules(hedge_s=own.hedge_s), ways),
        providers,
        keys,
        random,
    )
    return Newcomers(
        signup=Signup(database, keys, clock, own, outlook, watching),
        proving=Proving(database, keys, clock, rules, sessions, watching),
        arrivals=Arrivals(database, keys, clock, rules, watching),
        outlook=outlook,
        loops=(outlook.run, watching.run, dispatcher.run),
    )
