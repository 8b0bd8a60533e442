"""The bus over Redis pub/sub: one channel per gateway, one for all.

A publication is one MessagePack value per target gateway and batch. The subscription is watched:
when it breaks, the process keeps serving its own people, tries again with back-off, and calls those
who asked (`on_return`) when it is back. A starting gateway tells the others, because the one whose
place it takes may have died with pushes unsent.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from hodhod_server.cluster.broker import BrokerUnavailable, Envelope, Subscriber
from hodhod_server.cluster.redis_pool import talking_to_redis
from hodhod_server.domain.backoff import delay_s
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.telemetry import logs, metrics

log = logs.get("broker")
POLL_S: Final = 1.0
PING_S: Final = 10.0  # a subscription silent for longer is asked whether it lives


class _Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    envelopes: list[Envelope]


class _Gap(msgspec.Struct, frozen=True, array_like=True, tag="gap"):
    users: list[UserId]
    chats: list[ChatId]


class _Broadcast(msgspec.Struct, frozen=True, array_like=True, tag="broadcast"):
    sender: GatewayId
    envelopes: list[Envelope]


class _DeviceEnded(msgspec.Struct, frozen=True, array_like=True, tag="ended"):
    device: DeviceId


class _ChatChanged(msgspec.Struct, frozen=True, array_like=True, tag="chat"):
    chat: ChatId
    version: int
    users: list[UserId]


_encode = msgspec.msgpack.Encoder().encode
_Publication = _Batch | _Broadcast | _Gap | _DeviceEnded | _ChatChanged
_decode = msgspec.msgpack.Decoder(_Publication).decode


class RedisBroker:
    """This process's end of the bus."""

    def __init__(
        self, redis: Redis, prefix: str, gateway: GatewayId, dice: random.Random | None = None
    ) -> None:
        self._redis = redis
        self._gateway = gateway
        self._prefix = prefix
        self._everybody = f"{prefix}:gateways"
        self._dice = dice or random.Random()
        self._on_return: list[Callable[[], None]] = []

    def on_return(self, call: Callable[[], None]) -> None:
        """Have `call` called whenever the bus is back after it was lost."""
        self._on_return.append(call)

    async def publish(self, batches: Mapping[GatewayId, Sequence[Envelope]]) -> list[GatewayId]:
        """Send one batch to each gateway. Returns the gateways that nobody answers for any more."""
        with talking_to_redis():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for gateway, envelopes in batches.items():
                    pipeline.publish(self._channel(gateway), _encode(_Batch(list(envelopes))))
                receivers = await pipeline.execute()
        return [gateway for gateway, count in zip(batches, receivers, strict=True) if not count]

    async def broadcast(self, envelopes: Sequence[Envelope]) -> None:
        """Send a batch of broadcasts to all other gateways."""
        await self._announce(_Broadcast(self._gateway, list(envelopes)))

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
                        await pubsub.subscribe(self._channel(self._gateway), self._everybody)
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
        """Hand on what comes; raises `TimeoutError` when a ping stays unanswered."""
        loop = asyncio.get_running_loop()
        heard_at = asked_at = loop.time()
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_S)
            now = loop.time()
            if message is not None:
                heard_at = now
                if message["type"] == "message":
                    self._hear(message["data"], subscriber)
            elif now - heard_at > 2 * PING_S:
                raise TimeoutError
            elif now - max(asked_at, heard_at) > PING_S:
                asked_at = now
                await pubsub.ping()

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
            case _Batch(envelopes):
                subscriber.on_envelopes(envelopes)
            case _DeviceEnded(device):
                subscriber.on_device_ended(device)
            case _ChatChanged(chat, version, users):
                subscriber.on_chat_changed(chat, version, users)
            case _Broadcast(sender, envelopes):
                if sender != self._gateway:
                    subscriber.on_envelopes(envelopes)
            case _Gap([], []):
                subscriber.on_gap()
            case _Gap(users, chats):
                subscriber.on_gap_for(users, chats)

    async def _announce(self, value: msgspec.Struct) -> None:
        with talking_to_redis():
            await self._redis.publish(self._everybody, _encode(value))

    def _channel(self, gateway: GatewayId) -> str:
        return f"{self._prefix}:gateway:{gateway}"
