"""Coming back and guarding the account by the SDK, against the real server; pushes included."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from hodhod import (
    AccountNotice,
    ChallengeOver,
    Client,
    CodeWrong,
    NotAllowed,
    PinRequired,
    PinWrong,
    Refused,
    SignedOut,
    SignInAsked,
    TotpRequired,
    TryLater,
)
from hodhod_server.settings import ReturningSettings, Settings
from tests.node import Node, running_node
from tests.sdk.reading import next_of
from tests.software_authenticator import DOMAIN, ORIGIN, SoftwareAuthenticator

SARA, NEW = "+989123456789", "+989351112233"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    passkeys = ReturningSettings(passkey_domain=DOMAIN, passkey_origins=(ORIGIN,))
    at_once = dataclasses.replace(settings.door, invites_from_s=0, invites_per_week=2)
    return settings.model_copy(update={"returning": passkeys, "door": at_once})


@pytest.fixture
async def node(settings: Settings) -> AsyncIterator[Node]:
    async with running_node(settings) as running:
        yield running


@pytest.fixture
async def sara(node: Node) -> AsyncIterator[Client]:
    """Signed in on her phone."""
    async with Client(node.url) as client:
        challenge = await client.request_code(SARA)
        await challenge.wait_sent()
        await challenge.verify(await node.code(SARA), name="Sara")
        await client.chats()
        yield client


async def test_a_signed_in_device_is_asked_and_lets_a_new_one_in(node: Node, sara: Client) -> None:
    async with Client(node.url) as tablet:
        challenge = await tablet.request_code(SARA)
        asked = await next_of(sara, SignInAsked)
        assert challenge.sign_in_number in asked.numbers
        assert [one.challenge for one in await sara.security.sign_ins()] == [asked.challenge]
        await sara.security.approve_sign_in(asked.challenge, challenge.sign_in_number)
        await challenge.refresh()
        assert challenge.state == "accepted"
        assert await challenge.verify() == sara.user
        told = await next_of(sara, AccountNotice)
        assert (told.kind, told.platform) == ("signed_in", "python")


async def test_a_refused_device_stays_out(node: Node, sara: Client) -> None:
    async with Client(node.url) as tablet:
        challenge = await tablet.request_code(SARA)
        asked = await next_of(sara, SignInAsked)
        await sara.security.refuse_sign_in(asked.challenge)
        await challenge.wait_sent()
        with pytest.raises(ChallengeOver):
            await challenge.verify(await node.code(SARA))


async def test_a_link_is_shown_scanned_and_approved(node: Node, sara: Client) -> None:
    async with Client(node.url) as laptop, asyncio.TaskGroup() as tasks:
        pending = await laptop.sign_in.by_link()
        waiting = tasks.create_task(pending.approved())
        assert (await sara.security.look_at_link(pending.link)).platform == "python"
        await sara.security.approve_link(pending.link)
        assert await waiting == sara.user
        with pytest.raises(Refused):
            await sara.security.approve_link(pending.link)


async def test_a_pin_guards_the_number_and_lifts_the_hold(node: Node, sara: Client) -> None:
    async with Client(node.url) as tablet:
        challenge = await tablet.request_code(SARA)
        await challenge.wait_sent()
        await challenge.verify(await node.code(SARA))
        assert (await tablet.security.guards()).held_until is not None
        with pytest.raises(NotAllowed):
            await tablet.security.set_pin("1234")
        await sara.security.set_pin("2468")
        await tablet.security.lift_hold(pin="2468")
        assert (await tablet.security.guards()).held_until is None
    async with Client(node.url) as thief:
        challenge = await thief.request_code(SARA)
        await challenge.wait_sent()
        with pytest.raises(PinRequired) as asked:
            await challenge.verify(await node.code(SARA))
        assert asked.value.fresh_from > 0
        await challenge.wait_sent()
        with pytest.raises(PinWrong) as wrong:
            await challenge.verify(await node.code(SARA), pin="0000")
        assert wrong.value.tries_left == 9
    kinds = [(await next_of(sara, AccountNotice)).kind for _ in range(2)]
    assert kinds == ["signed_in", "pin_wrong"]


async def test_who_signs_out_comes_back_by_what_was_kept(node: Node, tmp_path: Path) -> None:
    async with Client(node.url, state=tmp_path / "sara.session") as client:
        challenge = await client.request_code(SARA)
        await challenge.wait_sent()
        user = await challenge.verify(await node.code(SARA), name="Sara")
        key = await client.security.new_recovery_key()
        await client.security.sign_out()
        assert not client.signed_in
        with pytest.raises(SignedOut):
            await client.chats()
    async with Client(node.url, state=tmp_path / "sara.session") as client:
        assert await client.sign_in.by_kept_token(SARA) == user
        assert await client.chats() == []
    async with Client(node.url) as elsewhere:
        with pytest.raises(Refused):
            await elsewhere.sign_in.by_recovery_key(SARA, "wrong")
        assert await elsewhere.sign_in.by_recovery_key(SARA, key) == user


async def test_an_app_guards_the_number_and_the_number_can_be_changed(
    node: Node, sara: Client
) -> None:
    app = pyotp.parse_uri(await sara.security.enrol_totp())
    assert isinstance(app, pyotp.TOTP)
    await sara.security.confirm_totp(app.now())
    async with Client(node.url) as tablet:
        challenge = await tablet.request_code(SARA)
        await challenge.wait_sent()
        with pytest.raises(TotpRequired):
            await challenge.verify(await node.code(SARA))
        await challenge.wait_sent()
        with pytest.raises(PinWrong):
            await challenge.verify(await node.code(SARA), totp=app.now())
    await sara.security.remove_totp()
    moved = await sara.request_code(NEW)
    await moved.wait_sent()
    wrong = "000000" if await node.code(NEW) != "000000" else "111111"
    with pytest.raises(CodeWrong):
        await sara.security.change_number(moved, wrong)
    await sara.security.change_number(moved, await node.code(NEW))
    kinds = [(await next_of(sara, AccountNotice)).kind for _ in range(2)]
    assert kinds == ["pin_wrong", "number_changed"]


async def test_a_passkey_is_made_shown_listed_and_removed(node: Node, sara: Client) -> None:
    authenticator = SoftwareAuthenticator()

    async def make(options: str) -> str:
        return json.dumps(authenticator.create(json.loads(options)))

    async def show(options: str) -> str:
        return json.dumps(authenticator.get(json.loads(options)))

    await sara.security.add_passkey(make, name="keychain")
    async with Client(node.url) as laptop:
        assert await laptop.sign_in.by_passkey(show) == sara.user
        (passkey,) = await laptop.security.passkeys()
        assert passkey.name == "keychain"
        assert passkey.used_at is not None
        await laptop.security.remove_passkey(passkey)
    assert await sara.security.passkeys() == []
    async with Client(node.url) as thief:
        with pytest.raises(Refused) as refused:
            await thief.sign_in.by_passkey(show)
    assert refused.value.code == "passkey_invalid"


async def test_who_is_inside_vouches_for_newcomers(node: Node, sara: Client) -> None:
    vouchers = [await sara.invites.vouch() for _ in range(2)]
    assert len({one.voucher for one in vouchers}) == 2
    with pytest.raises(TryLater):
        await sara.invites.vouch()
    async with Client(node.url) as newcomer:
        challenge = await newcomer.request_code(NEW, invite=vouchers[0].voucher)
        await challenge.wait_sent()
