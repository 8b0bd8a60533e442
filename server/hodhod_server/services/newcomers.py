"""Sign-up put together over its carriers: what newcomers can do, and the loops behind it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ladder import LadderRules
from hodhod_server.services.device_first import DeviceFirst, Presence
from hodhod_server.services.dispatching import Desk, Dispatcher, Office
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.outlook import Outlook, ways_of
from hodhod_server.services.provider_arrivals import ProviderArrivals
from hodhod_server.services.provider_polling import ProviderPolling
from hodhod_server.services.proving import Proving
from hodhod_server.services.signup import Signup, rules_of
from hodhod_server.services.watching import Watching
from hodhod_server.settings import Settings
from hodhod_server.sms.provider import Lined, Provider
from hodhod_server.store.database import Database
from hodhod_server.store.leadership import Leadership

DISPATCHER: Final = 0x686F64_01  # the office of the one who hands codes over


class Ground(NamedTuple):
    """What carriers need before they can be opened: somebody to tell."""

    database: Database
    keys: Keys
    clock: Clock
    watching: Watching
    arrivals: ProviderArrivals


class Newcomers(NamedTuple):
    """What a newcomer can do, how codes fare, and the loops behind."""

    signup: Signup
    proving: Proving
    outlook: Outlook
    dispatcher: Dispatcher
    loops: Sequence[Callable[[], Awaitable[None]]]


def lay_ground(settings: Settings, database: Database, clock: Clock) -> Ground:
    """Who hears what carriers tell."""
    keys = Keys.from_master(settings.security.master_key)
    watching = Watching(
        database, Random(secrets.randbits(64)), watchers_max=settings.signup.watchers_max
    )
    arrivals = ProviderArrivals(database, keys, clock, rules_of(settings.signup), watching)
    return Ground(database, keys, clock, watching, arrivals)


def build_newcomers(
    settings: Settings,
    ground: Ground,
    entrance: Entrance,
    providers: Mapping[str, Provider],
    presence: Presence | None = None,
) -> Newcomers:
    """Sign-up over these providers. One connection is taken beside the pool's: the leader's.

    Without `presence` nobody is known to be online, and texts leave at once.
    """
    database, keys, clock, watching, arrivals = ground
    own, rules = settings.signup, rules_of(settings.signup)
    terms = [provider.terms for provider in providers.values()]
    ways = ways_of(terms, takes_messages=bool(own.inbound_lines))
    outlook = Outlook(database, clock, ways)
    dispatcher = Dispatcher(
        Desk(
            database,
            Leadership(settings.database, DISPATCHER, "dispatcher"),
            outlook,
            watching,
            clock,
            DeviceFirst(
                presence if own.device_first else None,
                Random(secrets.randbits(64)),
            ),
        ),
        Office(rules, LadderRules(hedge_s=own.hedge_s), ways, settings.texts.wording()),
        list(providers.values()),
        keys,
        Random(secrets.randbits(64)),
    )
    dispatcher.also_run(ProviderPolling(providers, arrivals.pending, arrivals).run)
    for provider in providers.values():
        if isinstance(provider, Lined):
            dispatcher.also_run(provider.hold_line)
    signup = Signup(database, keys, clock, own, outlook, watching)
    signup.when_started(dispatcher.note_order)
    signup.when_started(entrance.sign_ins.ask)
    proving = Proving(database, keys, clock, rules, entrance, watching)
    proving.look_first(dispatcher.find)
    return Newcomers(
        signup=signup,
        proving=proving,
        outlook=outlook,
        dispatcher=dispatcher,
        loops=(outlook.run, watching.run, dispatcher.run, signup.run, proving.run),
    )
