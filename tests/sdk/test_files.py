"""Files arrive whole, over connections that break, and across restarts."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest
from msgspec import Raw

from hodhod import Client, File, FileChanged, MediaReady, Message, Progress
from hodhod.testing import FakeServer, Faults
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import EventPush
from tests.sdk.conftest import Two
from tests.sdk.reading import next_messages, until

SIZE = 3_000_000


@pytest.fixture
def trip(tmp_path: Path) -> Path:
    path = tmp_path / "trip.mp4"
    path.write_bytes(secrets.token_bytes(SIZE))
    return path


async def test_a_file_goes_up_and_comes_down(two: Two, trip: Path, tmp_path: Path) -> None:
    up: list[Progress] = []
    down: list[Progress] = []
    sent = await two.sara.send_file(two.chat, trip, caption="سفر", on_progress=up.append)
    [got] = await next_messages(two.reza, 1)
    assert got == sent
    assert isinstance(got.file, File)
    assert (got.file.name, got.file.size, got.file.type) == ("trip.mp4", SIZE, "video/mp4")
    assert got.text == "سفر"
    await two.reza.download(got, tmp_path / "got.mp4", on_progress=down.append)
    assert content(tmp_path / "got.mp4") == content(trip)
    for told in (up, down):
        assert (told[-1].sent, told[-1].total, told[-1].remaining_s) in (
            (SIZE, SIZE, 0),
            (SIZE, SIZE, None),
        )
        assert [one.sent for one in told] == sorted(one.sent for one in told)
    assert str(up[-1]) == "100.0% of 3.0 MB"


async def test_an_upload_survives_a_link_that_breaks_all_the_time(
    fake: FakeServer, two: Two, trip: Path
) -> None:
    told: list[Progress] = []
    fake.faults = Faults(upload_cut_bytes=400_000)
    sent = await two.sara.send_file(two.chat, trip, on_progress=told.append)
    assert _stored(fake, sent) == content(trip)
    patches = [request for request in fake.media.requests if request.startswith("PATCH")]
    assert 8 <= len(patches) < 60
    assert [one.sent for one in told] == sorted(one.sent for one in told)


async def test_a_download_survives_it_too(
    fake: FakeServer, two: Two, trip: Path, tmp_path: Path
) -> None:
    sent = await two.sara.send_file(two.chat, trip)
    fake.faults = Faults(download_cut_bytes=700_000)
    fake.media.links_over = 2
    await two.reza.download(sent, tmp_path / "got.mp4")
    assert content(tmp_path / "got.mp4") == content(trip)
    assert sorted(os.listdir(tmp_path)) == ["got.mp4", "trip.mp4"]


async def test_what_the_server_has_is_not_sent_again(
    fake: FakeServer, two: Two, trip: Path, tmp_path: Path
) -> None:
    await two.sara.send_file(two.chat, trip)
    del fake.media.requests[:]
    again = await two.sara.send_file(two.chat, trip, name="again.mp4")
    assert not [request for request in fake.media.requests if request.startswith("PATCH")]
    await two.reza.download(again, tmp_path / "got.mp4")
    assert content(tmp_path / "got.mp4") == content(trip)


async def test_what_the_server_finds_out_becomes_part_of_the_message(
    fake: FakeServer, two: Two, trip: Path
) -> None:
    sent = await two.sara.send_file(two.chat, trip)
    assert sent.file is not None
    ready = MediaReady(media=sent.file.media, size=SIZE, type="video/webm", width=4, height=3)
    fake.logs.append(two.chat.id, two.sara.user.id, 77, ready, sent.at)
    message, notice = await two.reza.history(two.chat)
    assert message.file is not None
    assert (message.file.type, message.ready, notice.notice) == ("video/webm", ready, ready)
    assert two.reza.renewed(sent) == message
    assert two.sara.renewed(sent) == sent, "she has not heard of it"


async def test_a_notice_about_a_file_behind_what_was_read_does_not_wait_to_be_read(
    fake: FakeServer, two: Two, trip: Path
) -> None:
    sent = await two.sara.send_file(two.chat, trip)
    await next_messages(two.reza, 1)
    positions = fake.logs.chats[two.chat.id].members[two.reza.user.id]
    assert sent.file is not None
    for number in (1, 2):
        ready = MediaReady(media=sent.file.media, size=SIZE, type="video/webm", width=number)
        event = fake.logs.append(two.chat.id, two.sara.user.id, number, ready, sent.at)
        push = EventPush(event=Raw(MSGPACK.encode(event)))
        await fake.gateway.push(push, {two.reza.user.id})
        await next_messages(two.reza, 1)
        if number == 1:
            await until(lambda: positions == [2, 0])
            await two.reza.mark_read(event.chat, event.seq)
    await until(lambda: positions == [3, 3])


async def test_an_upload_goes_on_after_a_restart(
    fake: FakeServer, tmp_path: Path, trip: Path
) -> None:
    state = tmp_path / "sara.session"
    async with Client(fake.url, state=state) as sara:
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(user=sara.user)
        fake.faults = Faults(upload_cut_bytes=1_000_000)
        sending = asyncio.ensure_future(sara.send_file(chat, trip))
        await until(lambda: [u for u in fake.media.uploads.values() if len(u.data) >= 1_000_000])
        sending.cancel()
    fake.faults = Faults()
    async with Client(fake.url, state=state) as sara:
        sent = await sara.send_file(chat, trip)
    assert _stored(fake, sent) == content(trip)
    assert len(fake.media.uploads) == 1


async def test_a_file_sent_again_after_a_crash_becomes_one_message(
    fake: FakeServer, tmp_path: Path, trip: Path
) -> None:
    state = tmp_path / "sara.session"
    async with Client(fake.url, state=state) as sara:
        await fake.sign_in(sara, "09123456789", "Sara")
        chat = await sara.open_private_chat(user=sara.user)
        fake.faults = Faults(reply_loss=1.0)
        sending = asyncio.ensure_future(sara.send_file(chat, trip))
        await until(lambda: fake.logs.chats[chat.id].log)
        sending.cancel()
    fake.faults = Faults()
    async with Client(fake.url, state=state) as sara:
        await sara.send_file(chat, trip)
        assert len(fake.logs.chats[chat.id].log) == 1
        await sara.send_file(chat, trip)
        assert len(fake.logs.chats[chat.id].log) == 2


async def test_an_expired_upload_is_started_anew(fake: FakeServer, two: Two, trip: Path) -> None:
    fake.faults = Faults(upload_cut_bytes=1_000_000)
    sending = asyncio.ensure_future(two.sara.send_file(two.chat, trip))
    await until(lambda: [u for u in fake.media.uploads.values() if len(u.data) >= 1_000_000])
    fake.media.uploads.clear()
    fake.faults = Faults()
    assert _stored(fake, await sending) == content(trip)


async def test_a_token_that_expires_during_an_upload_is_renewed(
    fake: FakeServer, two: Two, trip: Path
) -> None:
    await two.sara.chats()
    fake.doors.access_tokens.clear()
    assert _stored(fake, await two.sara.send_file(two.chat, trip)) == content(trip)


async def test_a_file_that_changes_on_the_way_is_not_sent(
    fake: FakeServer, two: Two, trip: Path
) -> None:
    fake.faults = Faults(upload_cut_bytes=1_000_000)
    sending = asyncio.ensure_future(two.sara.send_file(two.chat, trip))
    await until(lambda: [u for u in fake.media.uploads.values() if len(u.data) >= 1_000_000])
    change(trip)
    with pytest.raises(FileChanged):
        await sending
    assert not fake.logs.chats[two.chat.id].log


async def test_an_empty_file_is_a_file(two: Two, tmp_path: Path) -> None:
    (tmp_path / "empty.bin").touch()
    sent = await two.sara.send_file(two.chat, tmp_path / "empty.bin")
    await two.sara.download(sent, tmp_path / "got.bin")
    assert content(tmp_path / "got.bin") == b""


async def test_two_files_at_once_and_one_file_twice(fake: FakeServer, two: Two, trip: Path) -> None:
    first, second = await asyncio.gather(
        two.sara.send_file(two.chat, trip), two.sara.send_file(two.chat, trip)
    )
    assert first.seq != second.seq
    assert _stored(fake, first) == _stored(fake, second) == content(trip)


async def test_a_part_of_a_file_is_read_alone(fake: FakeServer, two: Two, trip: Path) -> None:
    sent = await two.sara.send_file(two.chat, trip)
    fake.media.requests.clear()
    assert await two.reza.read_range(sent, 1_000_000, 1_000_100) == content(trip)[10**6 :][:100]
    assert fake.media.requests == ["GET bytes=1000000-1000099"]
    with pytest.raises(ValueError, match="at least one byte"):
        await two.reza.read_range(sent, 5, 5)


async def test_a_stopped_download_goes_on_where_it_was(
    fake: FakeServer, two: Two, trip: Path, tmp_path: Path
) -> None:
    sent = await two.sara.send_file(two.chat, trip)
    fake.faults = Faults(download_cut_bytes=1_000_000)
    getting = asyncio.ensure_future(two.reza.download(sent, tmp_path / "got.mp4"))
    await until(lambda: [path for path in tmp_path.glob("*.part") if path.stat().st_size])
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    fake.faults = Faults()
    fake.media.requests.clear()
    await two.reza.download(sent, tmp_path / "got.mp4")
    assert content(tmp_path / "got.mp4") == content(trip)
    [request] = fake.media.requests
    assert request.startswith("GET bytes=")


async def test_what_is_no_file_is_told(two: Two, tmp_path: Path) -> None:
    text = await two.sara.send(two.chat, "no file")
    with pytest.raises(ValueError, match="no file"):
        await two.sara.download(text, tmp_path / "got")
    with pytest.raises(FileNotFoundError):
        await two.sara.send_file(two.chat, tmp_path / "nothing here")
    with pytest.raises(IsADirectoryError):
        await two.sara.send_file(two.chat, tmp_path)


def content(path: Path) -> bytes:
    return path.read_bytes()


def change(path: Path) -> None:
    path.write_bytes(b"another film")


def _stored(fake: FakeServer, message: Message) -> bytes:
    assert message.file is not None
    return bytes(fake.media.uploads[message.file.media].data)
