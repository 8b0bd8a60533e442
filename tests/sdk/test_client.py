"""What a user of the SDK is promised, over connections that break, lose, repeat and delay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from hodhod import (
    Client,
    CodeWrong,
    ConnectionLost,
    Message,
    NameRequired,
    NotFound,
    PositionChanged,
    Refused,
    SendRefused,
    SendUnconfirmed,
    SignedOut,
    Text,
    TurnedAway,
    TypingSeen,
)
from hodhod.testing import FakeServer, Faults
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import Delivered, Send, Sync
from tests.sdk.conftest import OpenClient, Two
from tests.sdk.reading import next_messages, next_of, until


async def test_a_code_brings_a_person_in(fake: FakeServer, open_client: OpenClient) -> None:
    client = await open_client()
    assert not client.signed_in
    challenge = await client.request_code("0912 345 6789")
    assert (challenge.channel, challenge.tries_left, challenge.code_length) == ("sms", 5, 6)
    assert challenge.next[0].channel == "sms"
    with pytest.raises(CodeWrong) as wrong:
        await challenge.verify("000000")
    assert wrong.value.tries_left == 4
    assert wrong.value.titles.fa == "کد درست نیست."
    with pytest.raises(NameRequired):
        await challenge.verify("123456")
    await challenge.resend()
    await challenge.refresh()
    assert challenge.tries_left == 4
    user = await challenge.verify("123456", name="Sara")
    assert client.signed_in
    assert client.user == user
    assert user.name == "Sara"


async def test_nothing_that_needs_a_session_works_without_one(open_client: OpenClient) -> None:
    client = await open_client()
    with pytest.raises(SignedOut):
        await client.send(1, "hello")
    with pytest.raises(SignedOut):
        await anext(client.events())
    with pytest.raises(SignedOut):
        assert client.user.name


async def test_a_message_is_durable_when_send_returns_and_reaches_the_other(two: Two) -> None:
    sent = await two.sara.send(two.chat, "سلام")
    assert (sent.chat, sent.seq, sent.text, sent.file) == (two.chat.id, 1, "سلام", None)
    assert await next_messages(two.reza, 1) == [sent]
    assert "سلام" in str(sent)
    assert "سلام" not in repr(sent)


async def test_own_messages_come_as_no_events_and_leave_no_gap(two: Two) -> None:
    await two.sara.send(two.chat, "one")
    await two.reza.send(two.chat, "two")
    await two.sara.send(two.chat, "three")
    await two.reza.send(two.chat, "four")
    assert [message.text for message in await next_messages(two.sara, 2)] == ["two", "four"]
    assert [message.text for message in await next_messages(two.reza, 2)] == ["one", "three"]


async def test_another_device_of_the_same_person_gets_their_messages(
    fake: FakeServer, open_client: OpenClient, two: Two
) -> None:
    phone = await open_client()
    await fake.sign_in(phone, "09123456789", "Sara")
    await phone.chats()
    sent = await two.sara.send(two.chat, "from my desk")
    assert await next_messages(phone, 1) == [sent]


async def test_events_survive_loss_repetition_and_disorder(fake: FakeServer, two: Two) -> None:
    fake.faults = Faults(push_loss=0.3, push_repeat=0.3, push_delay_s=0.1, reply_loss=0.02)
    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(two.sara.send(two.chat, f"text {number}"))
            if number in (15, 30):
                await asyncio.sleep(0.05)
                fake.cut()
    fake.faults = Faults()
    await fake.resync()
    got = await next_messages(two.reza, 40)
    assert [message.seq for message in got] == list(range(1, 41))
    assert {message.text for message in got} == {f"text {number}" for number in range(40)}
    assert len(fake.logs.chats[two.chat.id].log) == 40


async def test_who_was_away_gets_everything_in_order(fake: FakeServer, two: Two) -> None:
    await until(lambda: len(fake.gateway.wires) == 2)
    reza = next(wire for wire in fake.gateway.wires if wire.user == two.reza.user.id)
    fake.gateway.wires.remove(reza)
    for number in range(30):
        await two.sara.send(two.chat, f"text {number}")
    reza.cut()
    got = await next_messages(two.reza, 30)
    assert [message.text for message in got] == [f"text {number}" for number in range(30)]


async def test_a_send_whose_answer_was_lost_is_stored_once(fake: FakeServer, two: Two) -> None:
    fake.faults = Faults(reply_loss=1.0)
    sending = asyncio.ensure_future(two.sara.send(two.chat, "once"))
    await until(lambda: fake.logs.chats[two.chat.id].log)
    fake.faults = Faults()
    sent = await sending
    assert fake.logs.chats[two.chat.id].log[0].client_id == sent.client_id
    assert len(fake.logs.chats[two.chat.id].log) == 1


async def test_an_unconfirmed_message_stays_and_comes_as_an_event(
    fake: FakeServer, open_client: OpenClient, two: Two
) -> None:
    impatient = await open_client(deadline_s=0.3)
    await fake.sign_in(impatient, "09120000000", "Nima")
    chat = await impatient.open_private_chat(user=two.reza.user)
    fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=0.6)
    with pytest.raises(SendUnconfirmed) as unconfirmed:
        await impatient.send(chat, "sooner or later")
    late = await next_of(impatient, Message)
    assert (late.client_id, late.text) == (unconfirmed.value.client_id, "sooner or later")
    assert await next_messages(two.reza, 1) == [late]


async def test_an_unconfirmed_message_can_be_waited_for_again(
    fake: FakeServer, open_client: OpenClient, two: Two
) -> None:
    impatient = await open_client(deadline_s=0.4)
    await fake.sign_in(impatient, "09120000000", "Nima")
    chat = await impatient.open_private_chat(user=two.reza.user.id)
    fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=0.6)
    with pytest.raises(SendUnconfirmed) as unconfirmed:
        await impatient.send(chat, "again")
    sent = await impatient.send(chat, "again", client_id=unconfirmed.value.client_id)
    assert sent.client_id == unconfirmed.value.client_id
    assert len(fake.logs.chats[chat.id].log) == 1
    await two.reza.send(chat, "next")
    assert (await next_of(impatient, Message)).text == "next"


async def test_a_busy_server_is_asked_again_and_a_refusal_is_raised(
    fake: FakeServer, two: Two
) -> None:
    fake.refuse_sends(ErrorCode.OVERLOADED, times=2, retry_after_s=0.05)
    assert (await two.sara.send(two.chat, "patience")).seq == 1
    fake.refuse_sends(ErrorCode.FORBIDDEN)
    with pytest.raises(Refused) as refused:
        await two.sara.send(two.chat, "no")
    assert refused.value.code == "forbidden"
    with pytest.raises(NotFound):
        await two.sara.send(999, "to nobody")
    with pytest.raises(NotFound):
        await two.sara.open_private_chat(phone="09999999999")


async def test_a_late_refusal_is_an_event(fake: FakeServer, open_client: OpenClient) -> None:
    client = await open_client(deadline_s=0.2)
    await fake.sign_in(client, "09120000000", "Nima")
    chat = await client.open_private_chat(user=client.user)
    fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=0.4)
    fake.refuse_sends(ErrorCode.FORBIDDEN)
    with pytest.raises(SendUnconfirmed) as unconfirmed:
        await client.send(chat, "never")
    refused = await next_of(client, SendRefused)
    assert refused.client_id == unconfirmed.value.client_id
    assert refused.error.code == "forbidden"


async def test_the_first_run_needs_the_server() -> None:
    with pytest.raises(ConnectionLost):
        async with Client("http://127.0.0.1:9", deadline_s=0.2):
            pass


async def test_receipts_and_typing_are_told(fake: FakeServer, two: Two) -> None:
    sent = await two.sara.send(two.chat, "seen?")
    [got] = await next_messages(two.reza, 1)
    told = await next_of(two.sara, PositionChanged)
    assert (told.user, told.delivered, told.read) == (two.reza.user.id, sent.seq, 0)
    await two.reza.mark_read(got)
    told = await next_of(two.sara, PositionChanged)
    assert (told.user, told.read) == (two.reza.user.id, sent.seq)
    await two.reza.typing(two.chat)
    assert (await next_of(two.sara, TypingSeen)).user == two.reza.user.id
    [chat] = await two.sara.chats()
    reached = {member.name: (member.delivered, member.read) for member in chat.members}
    assert reached == {"Sara": (0, 0), "Reza": (1, 1)}
    assert chat.title == "Reza"


async def test_deliveries_are_reported_in_few_frames(fake: FakeServer, two: Two) -> None:
    for number in range(50):
        await two.sara.send(two.chat, f"text {number}")
    await next_messages(two.reza, 50)
    await until(lambda: _delivered(fake)[-1:] == [50])
    assert len(_delivered(fake)) <= 4


def _delivered(fake: FakeServer) -> list[int]:
    return [frame.seq for frame in fake.gateway.requests if isinstance(frame, Delivered)]


async def test_who_does_not_read_holds_nothing_up_and_loses_nothing(
    fake: FakeServer, two: Two
) -> None:
    await two.reza.chats()
    async with asyncio.TaskGroup() as tasks:
        for number in range(1500):
            tasks.create_task(two.sara.send(two.chat, f"text {number}"))
    assert not _delivered(fake)
    got = await next_messages(two.reza, 1500)
    assert [message.seq for message in got] == list(range(1, 1501))


async def test_who_writes_too_much_while_offline_is_told(open_client: OpenClient) -> None:
    async with FakeServer() as server:
        client = await open_client(server.url, deadline_s=0.5)
        await server.sign_in(client, "09120000000", "Nima")
        chat = await client.open_private_chat(user=client.user)
    async with asyncio.TaskGroup() as tasks:
        sends = [tasks.create_task(_failure(client.send(chat, "later"))) for _ in range(1001)]
    kinds = [type(await failed) for failed in sends]
    assert kinds == [SendUnconfirmed] * 1000 + [ConnectionLost]


async def _failure(sending: Awaitable[Message]) -> Exception:
    try:
        return AssertionError(f"sent: {await sending!r}")
    except ConnectionLost as error:
        return error


async def test_history_is_read_backwards(two: Two) -> None:
    for number in range(7):
        await two.sara.send(two.chat, f"text {number}")
    newest = await two.reza.history(two.chat, limit=3)
    assert [message.seq for message in newest] == [5, 6, 7]
    older = await two.reza.history(two.chat, before=newest[0].seq, limit=10)
    assert [message.seq for message in older] == [1, 2, 3, 4]
    assert older[0].body == Text("text 0")


async def test_a_resync_waits_for_a_moment_of_its_own(fake: FakeServer, two: Two) -> None:
    await two.sara.chats()
    before = sum(isinstance(frame, Sync) for frame in fake.gateway.requests)
    await fake.resync(within_ms=300)
    await until(
        lambda: sum(isinstance(frame, Sync) for frame in fake.gateway.requests) >= before + 2
    )


async def test_one_reader_at_a_time(two: Two) -> None:
    waiting = asyncio.ensure_future(anext(two.reza.events()))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one reader"):
        await anext(two.reza.events())
    await two.sara.send(two.chat, "for the first")
    assert isinstance(await waiting, Message)


async def test_an_ended_session_is_told_to_everyone_who_asks(fake: FakeServer, two: Two) -> None:
    waiting = asyncio.ensure_future(anext(two.sara.events()))
    await until(lambda: len(fake.gateway.wires) == 2)
    await fake.close_connections(CloseCode.SESSION_ENDED)
    with pytest.raises(SignedOut):
        await waiting
    with pytest.raises(SignedOut):
        await two.sara.send(two.chat, "anybody?")
    assert not two.sara.signed_in
    await fake.sign_in(two.sara, "09123456789", "Sara")
    assert (await two.sara.send(two.chat, "back")).text == "back"


async def test_who_is_turned_away_does_not_come_back(fake: FakeServer, two: Two) -> None:
    await two.sara.chats()
    await fake.close_connections(CloseCode.TOO_MANY_ERRORS)
    with pytest.raises(TurnedAway) as turned_away:
        await anext(two.sara.events())
    assert turned_away.value.close_code == CloseCode.TOO_MANY_ERRORS


@pytest.mark.parametrize("code", [CloseCode.GOING_AWAY, CloseCode.SLOW_CONSUMER])
async def test_other_ends_are_followed_by_a_new_beginning(
    fake: FakeServer, two: Two, code: CloseCode
) -> None:
    await two.sara.chats()
    await fake.close_connections(code)
    assert (await two.sara.send(two.chat, "still here")).seq == 1


async def test_exceptions_of_the_user_pass_through_the_client_as_they_are(
    fake: FakeServer,
) -> None:
    async def fail_inside() -> None:
        async with Client(fake.url) as client:
            await fake.sign_in(client, "09120000000", "Nima")
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fail_inside()


async def test_what_cannot_be_sent_is_refused_here(fake: FakeServer, two: Two) -> None:
    for text in ("", "x" * 4097):
        with pytest.raises(ValueError, match="4096"):
            await two.sara.send(two.chat, text)
    with pytest.raises(ValueError, match="limit"):
        await two.sara.history(two.chat, limit=0)
    with pytest.raises(ValueError, match="phone or by user"):
        await two.sara.open_private_chat()
    with pytest.raises(ValueError, match="address"):
        Client("ftp://somewhere")
    assert not [frame for frame in fake.gateway.requests if isinstance(frame, Send)]
