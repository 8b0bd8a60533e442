"""What the session file keeps from one run of a program to the next."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from hodhod import Client, Message, SendUnconfirmed, StateUnusable
from hodhod.testing import FakeServer
from hodhod_wire.errors import ErrorCode
from tests.sdk.reading import next_messages, next_of, until

REZA = "09351112233"


async def test_a_person_stays_signed_in(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url, state=tmp_path / "sara.session") as client:
        user = await fake.sign_in(client, "09123456789", "Sara")
    async with Client(fake.url, state=tmp_path / "sara.session") as client:
        assert client.signed_in
        assert client.user == user
        assert await client.chats() == []


async def test_what_was_handed_over_does_not_come_again(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url) as sara, Client(fake.url, state=tmp_path / "reza") as reza:
        await fake.sign_in(reza, REZA, "Reza")
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(phone=REZA)
        for number in range(4):
            await sara.send(chat, f"text {number}")
        await next_messages(reza, 2)
        await reza.send(chat, "from here")
    async with Client(fake.url, state=tmp_path / "reza") as reza:
        got = await next_messages(reza, 2)
        assert [message.text for message in got] == ["text 2", "text 3"]
        async with Client(fake.url) as sara:
            await fake.sign_in(sara, "09123456789", "Sara")
            await sara.send(chat, "new")
        assert (await next_of(reza, Message)).text == "new"


async def test_the_event_in_work_at_a_crash_comes_again(fake: FakeServer, tmp_path: Path) -> None:
    async def crash_at_the_second_message() -> None:
        async with Client(fake.url, state=tmp_path / "reza") as reza:
            await next_messages(reza, 2)
            raise KeyError("a bug of the app")

    async with Client(fake.url) as sara, Client(fake.url, state=tmp_path / "reza") as reza:
        await fake.sign_in(reza, REZA, "Reza")
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(phone=REZA)
    async with Client(fake.url) as sara:
        await fake.sign_in(sara, "09123456789", "Sara")
        for number in range(3):
            await sara.send(chat, f"text {number}")
    with pytest.raises(KeyError):
        await crash_at_the_second_message()
    async with Client(fake.url, state=tmp_path / "reza") as reza:
        got = await next_messages(reza, 2)
        assert [message.text for message in got] == ["text 1", "text 2"]


async def test_a_message_written_before_a_restart_goes_out_once(
    fake: FakeServer, tmp_path: Path
) -> None:
    async with Client(fake.url, state=tmp_path / "sara", deadline_s=0.2) as sara:
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(user=sara.user)
        fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=60.0)
        with pytest.raises(SendUnconfirmed) as unconfirmed:
            await sara.send(chat, "before")
    assert not fake.logs.chats[chat.id].log
    async with Client(fake.url, state=tmp_path / "sara") as sara:
        sent = await next_of(sara, Message)
        assert (sent.client_id, sent.text) == (unconfirmed.value.client_id, "before")
    async with Client(fake.url, state=tmp_path / "sara") as sara:
        await sara.chats()
    assert len(fake.logs.chats[chat.id].log) == 1


async def test_a_message_is_in_the_file_before_it_is_sent(fake: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "sara"
    async with Client(fake.url, state=path, deadline_s=0.3) as sara:
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(user=sara.user)
        fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=60.0)
        with pytest.raises(SendUnconfirmed) as unconfirmed:
            await sara.send(chat, "kept")
        [pending] = json.loads(path.read_text())["pending"]
        assert pending["client_id"] == unconfirmed.value.client_id


async def test_who_is_signed_in_starts_without_a_network(tmp_path: Path) -> None:
    async with FakeServer() as fake:
        async with Client(fake.url, state=tmp_path / "sara") as sara:
            await fake.sign_in(sara, "09123456789", "Sara")
            chat = await sara.open_private_chat(user=sara.user)
        port = int(fake.url.rpartition(":")[2])
    async with Client(fake.url, state=tmp_path / "sara", deadline_s=0.2) as sara:
        assert sara.user.name == "Sara"
        with pytest.raises(SendUnconfirmed):
            await sara.send(chat, "offline")
        async with FakeServer(port=port) as again:
            again.logs.join("9123456789", "Sara")
            again.logs.open_private(1, 1)
            again.doors.access_tokens.update(fake.doors.access_tokens)
            await until(lambda: again.logs.chats[1].log)


async def test_another_person_on_the_same_device_gets_nothing_of_the_first(
    fake: FakeServer, tmp_path: Path
) -> None:
    async with Client(fake.url, state=tmp_path / "shared") as client:
        await fake.sign_in(client, "09123456789", "Sara")
        chat = await client.open_private_chat(user=client.user)
        await client.send(chat, "mine")
        await fake.sign_in(client, "09120000000", "Nima")
        assert client.user.name == "Nima"
        assert await client.chats() == []


async def test_the_file_is_for_its_owner_only(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url, state=tmp_path / "sara") as client:
        await fake.sign_in(client, "09123456789", "Sara")
    modes = {name: stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
    assert modes == {"sara": 0o600, "sara.lock": 0o600}


async def test_one_program_at_a_time(fake: FakeServer, tmp_path: Path) -> None:
    async with Client(fake.url, state=tmp_path / "sara"):
        with pytest.raises(StateUnusable, match="in use"):
            async with Client(fake.url, state=tmp_path / "sara"):
                pass
    async with Client(fake.url, state=tmp_path / "sara"):
        pass


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not a session file"),
        ('{"url": "http://elsewhere", "version": 1}', "belongs to http://elsewhere"),
        ('{"url": "http://elsewhere", "version": 9}', "version 9"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_and_kept(
    fake: FakeServer, tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "sara").write_text(content)
    with pytest.raises(StateUnusable, match=complaint):
        async with Client(fake.url, state=tmp_path / "sara"):
            pass
    assert (tmp_path / "sara").read_text() == content


async def test_a_folder_that_cannot_be_written_is_told(fake: FakeServer, tmp_path: Path) -> None:
    with pytest.raises(StateUnusable):
        async with Client(fake.url, state=tmp_path / "no such folder" / "sara"):
            pass
    assert os.listdir(tmp_path) == []
