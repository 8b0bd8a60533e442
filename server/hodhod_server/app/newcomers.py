"""The sign-up role put together: newcomers, and those who come back."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Final

from hodhod_server.app.parts import Parts, Role, keys_of, own_or_shared
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.door_board import DoorBoard
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Presence
from hodhod_server.domain.addresses import Networks
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import GatewayId
from hodhod_server.domain.load import Load
from hodhod_server.services.account_notices import NobodyHere
from hodhod_server.services.admission import AT_THE_DOOR, Gate
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.door import build_door, process_name
from hodhod_server.services.newcomers import build_newcomers, lay_ground
from hodhod_server.services.returning import new_returning
from hodhod_server.services.sessions import Sessions
from hodhod_server.settings import Settings
from hodhod_server.signup_api.callbacks import Callbacks
from hodhod_server.signup_api.doorstep import add_doorstep
from hodhod_server.signup_api.routes import ENDPOINTS as SIGNUP_ENDPOINTS
from hodhod_server.signup_api.routes import (
    add_callbacks,
    add_gate,
    add_outbox,
    add_signup_api,
)
from hodhod_server.sms.opening import open_providers
from hodhod_server.store.database import Database
from hodhod_server.telemetry.load_probe import LoadProbe
from hodhod_server.web.admission import use_gate
from hodhod_server.web.health import add_health
from hodhod_server.web.serving import new_app

NEWCOMERS_PATIENCE: Final = 5.0  # they wait seconds for a text anyway


@contextlib.asynccontextmanager
async def signup(
    settings: Settings, clock: Clock, load: Load | None = None, *, shared: Database | None = None
) -> AsyncIterator[Parts]:
    """Newcomers and those who come back: challenges, codes, sessions."""
    probe = LoadProbe(settings.load, NEWCOMERS_PATIENCE)
    keys = keys_of(settings)
    async with (
        own_or_shared(shared, settings.database, Role.SIGNUP, spared=1) as database,
        open_redis(settings.redis) as redis,
    ):
        prefix, own_id = settings.redis.prefix, GatewayId(secrets.token_hex(8))
        broker = RedisBroker(redis, prefix, own_id)
        sessions = Sessions(database, keys, clock, settings.security, broker)
        delivery = Delivery(broker, NobodyHere())
        returning = new_returning(database, keys, clock, settings.returning, sessions, delivery)
        board = DoorBoard(redis, prefix, process_name(settings.listen.port))
        ground = lay_ground(settings, database, clock)
        async with open_providers(settings.signup.providers, clock, ground.arrivals) as providers:
            newcomers = build_newcomers(
                settings, ground, returning.entrance, providers, Presence(redis, prefix)
            )
            pace = newcomers.outlook
            door = build_door(settings.door, keys, clock, board, pace, load or probe)
            newcomers.proving.when_proved(door.gatekeeper.note_verified)
            newcomers.dispatcher.when_sent(door.gatekeeper.note_send)
            app = new_app()
            add_health(app, database.is_reachable)
            add_signup_api(app, newcomers.signup, newcomers.proving, returning)
            add_gate(app, door.gatekeeper, Networks(settings.door.trusted_proxies))
            add_outbox(app, providers)
            add_callbacks(app, Callbacks(providers, keys.callback, ground.arrivals))
            gate = Gate(load or probe, AT_THE_DOOR)
            use_gate(app, gate, SIGNUP_ENDPOINTS)
            add_doorstep(app, gate, door.gatekeeper)
            own = (probe.run, door.sharing.run, *delivery.loops, returning.entrance.sign_ins.run)
            yield Parts(app=app, loops=(*newcomers.loops, *own))
