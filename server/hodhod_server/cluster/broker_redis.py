"""The bus over Redis pub/sub: one channel per gateway, one for all.

Pushes take one round trip for each batch: `deliver.lua` looks up who is where and publishes one
MessagePack value to each gateway concerned. The subscription is watched: when it breaks, the
process keeps serving its own people, tries again with back-off, and calls those who asked
(`on_return`) when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import Connection

from hodhod_server.cluster.batches import EVERYBODY, Batch, parcels
from hodhod_server.cluster.broker import BrokerUnavailable, Envelope, Subscriber
from hodhod_server.cluster.redis_pool import read_script, talking_to_redis
from hodhod_server.cluster.routing import routes_under
from hodhod_server.cluster.script_line import ScriptLine
from hodhod_server.domain.backoff import delay_s
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.telemetry import logs, metrics

log = logs.get("broker")
PING_S: Final = 10.0  # how often a subscription is asked whether it lives
DELIVER: Final = read_script("forget", "deliver")


class _Gap(msgspec.Struct, frozen=True, array_like=True, tag="gap"):
    users: list[UserId]
    chats: list[ChatId]


class _DeviceEnded(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    device: DeviceId


class _ChatChanged(msgspec.Struct, frozen=True, array_like=True, tag="chat"):
    chat: ChatId
    version: int
    users: list[UserId]


_encode = msgspec.msgpack.Encoder().encode
_Publication = Batch | _Gap | _DeviceEnded | _ChatChanged
_decode = msgspec.msgpack.Decoder(_Publication).decode


class RedisBroker:
    """This process's end of the bus."""

    def __init__(
        self, redis: Redis, prefix: str, gateway: GatewayId, dice: random.Random | None = None
    ) -> None:
        self._redis = redis
        self._gateway = gateway
        self._prefix = f"{prefix}:gateway:"
        self._routes = routes_under(prefix)
        self._line = ScriptLine(redis, DELIVER)
        self._dice = dice or random.Random()
        self._on_return: list[Callable[[], None]] = []

    def on_return(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever the bus is back after it was lost."""
        self._on_return.append(call)

    async def deliver(self, envelopes: Sequence[Envelope]) -> None:
        """Send each to the other gateways where its people are, or to all where it is broadcast.

        Calls must follow one another: their order is the order of arrival. Routes to gateways that
        nobody answers for are removed on the way.
        """
        for parcel in parcels(envelopes):
            keys = [f"{self._routes}{user}" for user in parcel.users]
            await self._line.run(keys, [self._gateway, self._prefix, *parcel.arguments])

    async def announce_gap(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        """Tell every gateway who may have missed something: these people, who is in these chats.

        Nobody and nothing named: everybody.
        """
        await self._announce(_Gap(list(users), list(chats)))

    async def announce_end(self, device: DeviceId) -> None:
        """Tell every process that the device's session is over."""
        await self._announce(_DeviceEnded(device))

    async def announce_chat_changed(
        self, chat: ChatId, version: int, users: Sequence[UserId]
    ) -> None:
        """Tell every gateway a chat's version, and who came, left or may other things."""
        await self._announce(_ChatChanged(chat, version, list(users)))

    async def run(self, subscriber: Subscriber) -> None:
        """Hear what is published for this gateway, until cancelled."""
        attempt, was_lost = 0, False
        while True:
            try:
                with talking_to_redis():
                    async with self._redis.pubsub() as pubsub:
                        await pubsub.subscribe(*map(self._channel, (self._gateway, EVERYBODY)))
                        if was_lost:
                            self._tell_return()
                        attempt, was_lost = 0, False
                        await self._listen(pubsub, subscriber)
            except BrokerUnavailable as error:
                if attempt == 0:
                    log.warning("bus.lost", error=type(error.__cause__).__name__)
                was_lost = True
                metrics.BUS_LOST.inc()
                await asyncio.sleep(delay_s(attempt, first_s=0.1, max_s=2.0, dice=self._dice))
                attempt += 1

    def _tell_return(self) -> None:
        log.info("bus.returned")
        for call in self._on_return:
            call()

    async def _listen(self, pubsub: PubSub, subscriber: Subscriber) -> None:
        """Hand on what comes; raises `TimeoutError` when a ping stays unanswered.

        It reads redis-py's connection itself: `get_message` takes twice the CPU (ADR 0011).
        """
        loop = asyncio.get_running_loop()
        connection, heard_at = cast(Connection, pubsub.connection), loop.time()
        while loop.time() - heard_at < 2 * PING_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    while True:
                        response = await connection.read_response(
                            timeout=math.inf, disconnect_on_error=False
                        )
                        if response is None:  # what redis-py makes of ETIMEDOUT
                            raise ConnectionResetError
                        heard_at = loop.time()
                        if response[0] == b"message":
                            self._hear(response[2], subscriber)
            await pubsub.ping()
        raise TimeoutError

    def _hear(self, data: Any, subscriber: Subscriber) -> None:
        try:
            value = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("publication.not_understood")  # of a later version, perhaps
            subscriber.on_gap()
            return
        self._hand_on(value, subscriber)

    def _hand_on(self, value: _Publication, subscriber: Subscriber) -> None:
        match value:
            case Batch(sender):
                if sender != self._gateway:
                    subscriber.on_envelopes(value.envelopes())
            case _DeviceEnded(device):
                subscriber.on_device_ended(device)
            case _ChatChanged(chat, version, users):
                subscriber.on_chat_changed(chat, version, users)
            case _Gap([], []):
                subscriber.on_gap()
            case _Gap(users, chats):
                subscriber.on_gap_for(users, chats)

    async def _announce(self, value: msgspec.Struct) -> None:
        with talking_to_redis():
            await self._redis.publish(self._channel(EVERYBODY), _encode(value))

    def _channel(self, gateway: GatewayId) -> str:
        return f"{self._prefix}{gateway}"
