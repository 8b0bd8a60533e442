"""What brings people back and guards their accounts: the services, one of each, for a process."""

from __future__ import annotations

from dataclasses import dataclass

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.services.account_notices import AccountNotices
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.device_links import DeviceLinks
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.guards import Guards
from hodhod_server.services.numbers import Numbers
from hodhod_server.services.one_time_codes import OneTimeCodes
from hodhod_server.services.ownership import Ownership
from hodhod_server.services.passkeys import Passkeys
from hodhod_server.services.pin_hashing import PinHasher
from hodhod_server.services.returns import Returns
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.sign_ins import SignIns
from hodhod_server.settings import ReturningSettings
from hodhod_server.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """One of each."""

    guards: Guards
    entrance: Entrance
    returns: Returns
    links: DeviceLinks
    one_time_codes: OneTimeCodes
    numbers: Numbers
    passkeys: Passkeys


def new_returning(
    database: Database,
    keys: Keys,
    clock: Clock,
    settings: ReturningSettings,
    sessions: Sessions,
    delivery: Delivery,
) -> Returning:
    """All of them, introduced to one another."""
    notices = AccountNotices(delivery, clock)
    guards = Guards(database, keys, clock, PinHasher(keys, settings), notices, settings)
    ownership = Ownership(clock, guards, notices, settings)
    sign_ins = SignIns(database, keys, clock, delivery)
    entrance = Entrance(clock, sessions, ownership, sign_ins, notices, settings)
    return Returning(
        guards=guards,
        entrance=entrance,
        returns=Returns(database, keys, clock, guards, entrance, settings),
        links=DeviceLinks(database, keys, clock, entrance),
        one_time_codes=OneTimeCodes(database, keys, clock, guards),
        passkeys=Passkeys(database, keys, clock, entrance, settings),
        numbers=Numbers(database, keys, clock, guards, ownership, notices),
    )
