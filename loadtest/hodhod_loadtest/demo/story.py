"""The main job on real input, told line by line; each line is checked before it is told.

Two people sign up with codes, write to each other, one of them is away and catches up, and a video
goes up over a link that breaks again and again. Any promise that does not hold ends the demo.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp

from hodhod import Chat, Client, Message, Progress
from hodhod_loadtest.demo.video import count_frames, make_video
from hodhod_loadtest.faults.cutting_proxy import CuttingProxy
from hodhod_loadtest.local_server import LocalServer, local_server, port_block

VIDEO_BYTES: Final = 150_000_000
CUTS_MIN: Final = 5
CUT_AFTER: Final = range(12_000_000, 24_000_000, 65_536)  # bytes: at least six cuts on 150 MB
MEDIA_PORT_OFFSET: Final = 2  # of `hodhod up`, from its base port
EVENT_S: Final = 10.0
SARA: Final = "0912 345 6789"
REZA: Final = "۰۹۳۵-۱۱۱-۲۲۳۳"


class PromiseBroken(Exception):
    """Something did not hold; the text says what."""


def require(held: bool, what: str) -> None:
    """Raises `PromiseBroken` unless it held."""
    if not held:
        raise PromiseBroken(what)


class Story:
    """One telling. `tell` gets each line."""

    def __init__(self, tell: Callable[[str], None], folder: Path) -> None:
        self._tell = tell
        self._folder = folder

    async def run(self) -> None:
        """From the first start to the last checksum. Raises `PromiseBroken`, `ServerFailed`."""
        async with AsyncExitStack() as stack:
            port = stack.enter_context(port_block())
            proxy = await stack.enter_async_context(
                CuttingProxy.open(("127.0.0.1", port + MEDIA_PORT_OFFSET), CUT_AFTER)
            )
            # Clients learn the media address from the server, and find the bad link there.
            media_url = f"http://127.0.0.1:{proxy.port}"
            server = await stack.enter_async_context(
                local_server({"HODHOD__PUBLIC__MEDIA_URL": media_url}, port)
            )
            self._tell(f"a private server is up at {server.url}")
            sara = await stack.enter_async_context(self._client(server, "sara"))
            await self._sign_up(server, sara, SARA, "سارا")
            chat = await self._reza_comes_and_goes(server, sara)
            video = await self._film()
            message = await self._upload(sara, chat, video, proxy)
            await self._reza_catches_up(server, chat, message, video, sara.user.id)

    def _client(self, server: LocalServer, name: str) -> Client:
        return Client(server.url, state=self._folder / f"{name}.session")

    async def _sign_up(self, server: LocalServer, client: Client, phone: str, name: str) -> None:
        challenge = await client.request_code(phone)
        await challenge.wait_sent()
        code = await _read_code(server, phone)
        user = await challenge.verify(code, name=name)
        require(client.signed_in and user.name == name, f"{name} is signed in")
        self._tell(
            f"{name} asked for a code as {phone}, got it by {challenge.channel}, is user {user.id}"
        )

    async def _reza_comes_and_goes(self, server: LocalServer, sara: Client) -> Chat:
        async with self._client(server, "reza") as reza:
            await self._sign_up(server, reza, REZA, "رضا")
            chat = await sara.open_private_chat(phone=REZA)
            sent = await sara.send(chat, "سلام رضا!")
            heard = await _next_message(reza)
            require(heard.text == "سلام رضا!" and heard.seq == sent.seq, "Reza hears Sara")
            self._tell(f"Sara wrote, it was durable as message {sent.seq}, Reza has it")
            answered = await reza.send(heard.chat, "سلام سارا!")
            heard = await _next_message(sara)
            require(heard.text == "سلام سارا!" and heard.seq == answered.seq, "Sara hears Reza")
            self._tell(f"Reza answered, Sara has message {answered.seq}")
        self._tell("Reza goes offline")
        for number in range(1, 6):
            await sara.send(chat, f"پیام شمارهٔ {number} برای وقتی که برگردی")
        self._tell("Sara wrote five messages meanwhile")
        return chat

    async def _film(self) -> Path:
        path = self._folder / "trip.mp4"
        frames = await asyncio.to_thread(make_video, path, VIDEO_BYTES)
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        require(size >= VIDEO_BYTES, "the film is at least 150 MB")
        self._tell(f"Sara made a film: {size / 1e6:.1f} MB, {frames} frames, H.264 in MP4")
        return path

    async def _upload(self, sara: Client, chat: Chat, video: Path, proxy: CuttingProxy) -> Message:
        told = 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal told
            if progress.fraction >= told + 0.2:
                told = progress.fraction
                self._tell(f"  {progress}, connection cut {proxy.cuts} times so far")

        clock = asyncio.get_running_loop().time
        started = clock()
        message = await sara.send_file(chat, video, caption="سفر", on_progress=on_progress)
        took_s = clock() - started
        require(proxy.cuts >= CUTS_MIN, f"the connection was cut at least {CUTS_MIN} times")
        self._tell(
            f"the film is up in {took_s:.1f} s although the connection was cut {proxy.cuts} times"
        )
        return message

    async def _reza_catches_up(
        self, server: LocalServer, chat: Chat, film: Message, video: Path, sender: int
    ) -> None:
        async with self._client(server, "reza") as reza:
            missed = [await _next_message(reza) for _ in range(6)]
            seqs = [message.seq for message in missed]
            require(seqs == list(range(3, 9)), "Reza gets what he missed, once and in order")
            require(all(message.sender == sender for message in missed), "all of it from Sara")
            require(missed[-1].file == film.file, "the film is among it")
            self._tell(f"Reza is back without a code and has messages {seqs[0]} to {seqs[-1]}")
            middle = VIDEO_BYTES // 2
            piece = await reza.read_range(missed[-1], middle, middle + 1_000_000)
            require(piece == await asyncio.to_thread(_read, video, middle, len(piece)), "a range")
            self._tell("a range from the middle of the film is what it should be")
            copy = self._folder / "copy.mp4"
            await reza.download(missed[-1], copy)
        here, there = await asyncio.to_thread(lambda: (_sha256(video), _sha256(copy)))
        require(here == there, "both films have the same checksum")
        self._tell(f"Reza's copy has the same SHA-256: {there[:16]}…")
        shown = await asyncio.to_thread(count_frames, copy)
        require(shown == await asyncio.to_thread(count_frames, video), "a player shows all of it")
        self._tell(f"a player decodes all {shown} frames of it")


async def tell_story(tell: Callable[[str], None]) -> None:
    """Tell it in a folder of its own, which is gone afterwards."""
    folder = await asyncio.to_thread(lambda: Path(tempfile.mkdtemp(prefix="hodhod-demo-")))
    try:
        await Story(tell, folder).run()
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)


async def _read_code(server: LocalServer, phone: str) -> str:
    """What a person does: look at the phone. Here it is the console sender's outbox."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.get(f"{server.url}/.well-known/hodhod") as response:
            signup = (await response.json())["signup"]
        async with session.get(f"{signup}/dev/outbox", params={"phone": phone}) as response:
            text = (await response.json())["texts"][-1]["text"]
    code = re.search(r"\d{6}", text)
    require(code is not None, "the text holds a code")
    assert code is not None
    return code[0]


async def _next_message(client: Client) -> Message:
    async with asyncio.timeout(EVENT_S):
        async for event in client.events():
            if isinstance(event, Message):
                return event
    raise PromiseBroken("the events ended")


def _read(path: Path, start: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(count)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
