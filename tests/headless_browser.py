"""Chromium without a window and without a network, driven by its own DevTools protocol.

Whatever a page wants to fetch fails, and is kept in `wanted`; whatever it complains of is kept in
`complaints`. `python -m tests.headless_browser PAGE.html SHOT.png --width 390` takes a picture.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.system_packages import program

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
)
LISTENING: Final = re.compile(r"DevTools listening on ws://([\d.:]+)/")
START_S: Final = 30.0
DRAWN_S: Final = 40.0


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.wanted: list[str] = []

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Ask the browser; what it tells meanwhile is kept."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self._socket.receive_json()
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self._hear(told)

    async def open(self, path: Path, width: int, language: str) -> None:
        """The page as it is once its figures are drawn."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        await self.call("Page.navigate", url=f"{path.as_uri()}#{language}")
        await self.until(f"document.documentElement?.dataset.drawn == '{language}'")

    async def until(self, condition: str) -> None:
        """Wait for it to be true in the page."""
        looking = f"const look = () => {condition} ? done() : setTimeout(look, 20); look();"
        async with asyncio.timeout(DRAWN_S):
            await self.value(f"new Promise(done => {{ {looking} }})")

    async def value(self, expression: str) -> Any:
        """What it is in the page."""
        told = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def dark(self) -> None:
        """As on a device that is set to dark."""
        features = [{"name": "prefers-color-scheme", "value": "dark"}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self, height: int | None = None) -> bytes:
        """Of the whole page or of its top, as PNG."""
        clip = {}
        if height is not None:
            width = await self.value("innerWidth")
            clip["clip"] = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        told = await self.call("Page.captureScreenshot", captureBeyondViewport=True, **clip)
        return base64.b64decode(told["data"])

    def _hear(self, told: dict[str, Any]) -> None:
        parameters = told.get("params", {})
        match told.get("method"):
            case "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(parameters)[:500])
            case "Network.requestWillBeSent":
                url = parameters["request"]["url"]
                if not url.startswith(("file:", "data:", "blob:")):
                    self.wanted.append(url)
            case _:
                pass


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A fresh one, with an empty page."""
    with tempfile.TemporaryDirectory(prefix="hodhod-browser-", ignore_cleanup_errors=True) as place:
        process = await asyncio.create_subprocess_exec(
            program("chromium"),
            *FLAGS,
            f"--user-data-dir={place}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = await _address(process)
            async with aiohttp.ClientSession() as http:
                async with http.get(f"http://{address}/json/list") as response:
                    tabs = [tab for tab in await response.json() if tab["type"] == "page"]
                async with http.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as tab:
                    yield Page(tab)
        finally:
            process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where it listens: it says so."""
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        async for line in process.stderr:
            if found := LISTENING.search(line.decode()):
                return found[1]
    raise AssertionError("the browser ended before it listened")


async def _picture(options: argparse.Namespace) -> bytes:
    async with browser() as page:
        if options.dark:
            await page.dark()
        await page.open(options.page.resolve(), options.width, options.language)
        return await page.picture(options.height)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("shot", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, help="of its top; otherwise the whole page")
    parser.add_argument("--language", choices=["en", "fa"], default="en")
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    options.shot.write_bytes(asyncio.run(_picture(options)))


if __name__ == "__main__":
    main()
