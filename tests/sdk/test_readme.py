"""The examples that people read first do what they say, word by word, against a real server.

An example runs in a thread of its own, as a person's program does; `input` reads the code where a
person would read it, and the one thing that is replaced in it is the server's address.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from inspect import isawaitable
from pathlib import Path, PurePosixPath
from types import CodeType
from typing import Any

import pytest

from hodhod import Client, File, Message, Progress
from hodhod_server.settings import Settings
from tests import source_tree
from tests.node import Node, running_node
from tests.sdk.reading import PATIENCE_S, next_messages, until

PYTHON = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8080"
SARA, REZA = "09123456789", "+989351112233"


def examples(page: str) -> list[str]:
    """The Python blocks of a page."""
    text = source_tree.read(PurePosixPath(page))
    return [match["code"] for match in PYTHON.finditer(text)]


class Example:
    """A program from a page, running."""

    def __init__(
        self, code: str, node: Node, *, pressed_enter: threading.Event | None = None
    ) -> None:
        self.printed: list[Any] = []
        self._pressed_enter = pressed_enter
        self._node = node
        self._loop = asyncio.new_event_loop()
        self._code = _compiled(code.replace(ADDRESS, node.url))
        self._task: asyncio.Task[None] | None = None
        self._running = asyncio.ensure_future(asyncio.to_thread(self._run))

    async def stop(self) -> None:
        """Ctrl-C. Raises what the program failed with."""
        if self._task is not None and not self._running.done():
            self._loop.call_soon_threadsafe(self._task.cancel)
        await self._running

    async def result(self) -> list[Any]:
        """What it printed, when it is over by itself."""
        await self._running
        return self.printed

    def _run(self) -> None:
        with (
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=lambda: self._loop) as runner,
        ):
            runner.run(self._main())

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        answer = self._type_code if self._pressed_enter is None else self._press_enter
        names = {"input": answer, "print": self._print, "__name__": "__main__"}
        outcome = eval(self._code, names)
        if isawaitable(outcome):
            await outcome

    def _type_code(self, question: str) -> str:
        assert "sms" in question
        query = urllib.parse.urlencode({"phone": SARA})
        texts: list[dict[str, str]] = []
        for _ in range(500):
            with urllib.request.urlopen(f"{self._node.signup}/dev/outbox?{query}") as answer:
                texts = json.load(answer)["texts"]
            if texts:
                break
            time.sleep(0.01)
        code: str = re.findall(r"[0-9]{6}", texts[-1]["text"])[-1]
        return code

    def _press_enter(self, question: str) -> str:
        assert self._pressed_enter is not None
        assert self._pressed_enter.wait(PATIENCE_S), question
        return ""

    def _print(self, *values: Any) -> None:
        self.printed.extend(values)


def _compiled(code: str) -> CodeType:
    awaited = code.replace("asyncio.run(main())", "await main()")
    compiled: CodeType = compile(awaited, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return compiled


@pytest.fixture
async def node(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Node]:
    """A server, and an empty folder to run examples in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip.mp4").write_bytes(os.urandom(1_000_000))
    async with running_node(settings) as running:
        yield running


async def reza_signs_up(node: Node, client: Client) -> None:
    challenge = await client.request_code(REZA)
    await challenge.verify(await node.code(REZA), name="Reza")


@pytest.mark.parametrize("page", ["README.md", "client_sdk/README.md"])
async def test_the_ten_lines_of_the_readme_work(node: Node, page: str) -> None:
    code, *_ = examples(page)
    async with Client(node.url, state="reza.session") as reza:
        await reza_signs_up(node, reza)
        example = Example(code, node)
        try:
            [hello] = await next_messages(reza, 1)
            assert hello.text == "سلام"
            if "send_file" in code:
                [film] = await next_messages(reza, 1)
                assert isinstance(film.body, File)
                assert film.body.size == 1_000_000
                last = [told for told in example.printed if isinstance(told, Progress)][-1]
                assert (last.sent, last.total) == (1_000_000, 1_000_000)
            answer = await reza.send(hello.chat, "علیک سلام")
            await until(lambda: answer in example.printed)
        finally:
            await example.stop()


async def test_the_group_of_the_readme_welcomes_who_comes(node: Node) -> None:
    _, code = examples("client_sdk/README.md")
    async with Client(node.url, state="reza.session") as reza:
        await reza_signs_up(node, reza)
        await sara_signs_up(node)
        example = Example(code, node)
        try:
            await until(lambda: example.printed)
            chat = await reza.invites.join(example.printed[0])
            assert chat is not None
            texts = [message.text for message in await next_messages(reza, 3)]
            assert texts[-1] == "خوش آمدید! 1 نفر آمدند."
            thanks = await reza.send(chat, "ممنون")
            await until(lambda: thanks in example.printed)
        finally:
            await example.stop()


async def test_a_group_is_run_as_the_how_to_says(node: Node) -> None:
    [code] = examples("docs/how-to/run-a-group.md")
    async with Client(node.url, state="reza.session") as reza:
        await reza_signs_up(node, reza)
        await sara_signs_up(node)
        pressed_enter = threading.Event()
        example = Example(code, node, pressed_enter=pressed_enter)
        await until(lambda: example.printed)
        assert await reza.invites.join(example.printed[0]) is None
        pressed_enter.set()
        assert (await example.result())[-1] == {2: 0}
        [known] = await reza.chats()
        hikers = await reza.chat(known.id)
        assert hikers.me is not None
        assert (hikers.me.role, hikers.slow_mode_s) == ("admin", 30)


async def sara_signs_up(node: Node) -> None:
    async with Client(node.url, state="sara.session") as sara:
        challenge = await sara.request_code(SARA)
        await challenge.verify(await node.code("+989123456789"), name="Sara")


async def test_the_tutorial_works(node: Node) -> None:
    sign_up, listen, write = examples("docs/tutorial/first-messages.md")
    assert await Example(sign_up, node).result() == ["signed in:", True]
    async with Client(node.url, state="reza.session") as reza:
        await reza_signs_up(node, reza)
    listening = Example(listen, node)
    try:
        [sent] = await Example(write, node).result()
        assert isinstance(sent, Message)
        await until(lambda: sent in listening.printed)
    finally:
        await listening.stop()


async def test_the_example_program_works(node: Node, tmp_path: Path) -> None:
    program = source_tree.ROOT / "client_sdk/examples/first_messages.py"
    async with Client(node.url, state="reza.session") as reza:
        await reza_signs_up(node, reza)
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            str(program),
            *(SARA, "--to", REZA, "--file", "trip.mp4", "--url", node.url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert running.stdin is not None
        try:
            running.stdin.write(await _code_line(node))
            hello, film = await next_messages(reza, 2)
            assert (hello.text, film.file and film.file.name) == ("سلام", "trip.mp4")
        finally:
            running.terminate()
            await running.communicate()


async def _code_line(node: Node) -> bytes:
    """The code as it is typed, once it was sent."""
    for _ in range(200):
        try:
            return f"{await node.code(SARA)}\n".encode()
        except IndexError:
            await asyncio.sleep(0.05)
    raise AssertionError("no code was sent")
