"""Tokens are renewed unseen: by refresh token, by the device's key; or the person is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from hodhod import Client, SignedOut
from hodhod._clock import ServerClock, SystemClock
from hodhod.testing import FakeServer
from hodhod_wire.close_codes import CloseCode
from tests.sdk.reading import until

REFRESH = "/v1/sessions/refresh"
BY_KEY = "/v1/sessions/device-key"


async def sign_in(fake: FakeServer, client: Client) -> int:
    """Returns a chat of one's own."""
    await fake.sign_in(client, "09123456789", "Sara")
    return (await client.open_private_chat(user=client.user)).id


async def test_a_rejected_token_is_refreshed(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url, state=tmp_path / "sara") as client:
        chat = await sign_in(fake, client)
        fake.doors.access_tokens.clear()
        await fake.close_connections(CloseCode.TOKEN_REJECTED)
        assert (await client.send(chat, "again")).seq == 1
        assert fake.doors.calls.count(REFRESH) == 1
        kept = json.loads((tmp_path / "sara").read_text())["credentials"]
        assert kept["refresh_token"] in fake.doors.refresh_tokens


async def test_a_token_is_refreshed_before_it_expires(fake: FakeServer) -> None:
    fake.doors.access_expires_at = SystemClock().now_ms() + 30_000
    async with Client(fake.url) as client:
        await fake.sign_in(client, "09123456789", "Sara")
        fake.doors.access_expires_at += 3_600_000
        await client.chats()
        assert fake.doors.calls.count(REFRESH) == 1


async def test_a_device_key_brings_back_who_lost_the_refresh_token(fake: FakeServer) -> None:
    async with Client(fake.url) as client:
        chat = await sign_in(fake, client)
        fake.doors.access_tokens.clear()
        fake.doors.refresh_tokens.clear()
        await fake.close_connections(CloseCode.TOKEN_REJECTED)
        assert (await client.send(chat, "by key")).seq == 1
        assert fake.doors.calls[-2:] == [REFRESH, BY_KEY]


async def test_a_device_whose_clock_is_wrong_signs_by_the_servers(fake: FakeServer) -> None:
    async with Client(fake.url) as client:
        chat = await sign_in(fake, client)
        fake.doors.time_ms = SystemClock().now_ms() + 86_400_000
        fake.doors.access_tokens.clear()
        fake.doors.refresh_tokens.clear()
        await fake.close_connections(CloseCode.TOKEN_REJECTED)
        assert (await client.send(chat, "a day ahead")).seq == 1
        assert fake.doors.calls[-2:] == [BY_KEY, BY_KEY]


async def test_who_is_refused_both_ways_is_signed_out(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url, state=tmp_path / "sara") as client:
        chat = await sign_in(fake, client)
        fake.doors.access_tokens.clear()
        fake.doors.refresh_tokens.clear()
        fake.doors.devices.clear()
        await fake.close_connections(CloseCode.TOKEN_REJECTED)
        with pytest.raises(SignedOut):
            await client.send(chat, "no more")
        await until(lambda: not client.signed_in)
    async with Client(fake.url, state=tmp_path / "sara") as client:
        assert not client.signed_in


async def test_the_key_pair_is_made_once(fake: FakeServer, tmp_path: Path) -> None:
    for _ in range(2):
        async with Client(fake.url, state=tmp_path / "sara") as client:
            await fake.sign_in(client, "09123456789", "Sara")
    assert len({device.key for device in fake.doors.devices.values()}) == 1


class StoppedClock:
    """A device's clock that is wrong by years."""

    def now_ms(self) -> int:
        return 1_000


def test_the_servers_clock_is_learnt_from_its_answers() -> None:
    clock = ServerClock(StoppedClock())
    moment = datetime(2026, 3, 21, 12, 0, tzinfo=UTC)
    clock.learn(format_datetime(moment, usegmt=True))
    assert clock.now_ms() == moment.timestamp() * 1000
    clock.learn("yesterday")
    clock.learn(None)
    assert clock.now_ms() == moment.timestamp() * 1000
