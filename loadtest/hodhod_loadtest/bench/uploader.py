"""Ten phones that upload, as a program of its own: it must not share an interpreter with the one
that measures messages. Phones have cores of their own, so it gives way to all else here.

Takes tokens from stdin, a line each, and uploads for each of them at a pace until stdin ends. Says
`begun` once all are on their way; ends with a failure where one of them failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.measure_files import MIB, line_to
from hodhod_server.processing.priority import give_way

PIECE_BYTES: Final = 64 * 1024
BEGUN: Final = b"begun\n"
START_S: Final = 20.0
NICENESS: Final = 19


@contextlib.asynccontextmanager
async def uploading(media_url: str, tokens: Sequence[str], mib_s: float) -> AsyncIterator[None]:
    """An upload for each token, at so many MiB/s each, for as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, media_url, str(mib_s)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("".join(f"{token}\n" for token in [*tokens, ""]).encode())
        async with asyncio.timeout(START_S):
            if await process.stdout.readline() != BEGUN:
                raise BenchFailed("the uploads did not begin")
        yield
    finally:
        process.stdin.close()
        code = await process.wait()
    if code:
        raise BenchFailed("an upload failed")


class _Crowd:
    """The uploads of the program."""

    def __init__(self, media_url: str, bytes_s: float) -> None:
        self._media_url = media_url
        self._bytes_s = bytes_s
        self._block = random.randbytes(PIECE_BYTES)
        self.over = threading.Event()
        self.failures: list[BaseException] = []

    def upload(self, token: str, begun: threading.Semaphore) -> None:
        line = line_to(self._media_url)
        try:
            self._send(line, {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}, begun)
        except (OSError, http.client.HTTPException, BenchFailed) as failure:
            self.failures.append(failure)
            begun.release()
        finally:
            line.close()

    def _send(
        self, line: http.client.HTTPConnection, tus: dict[str, str], begun: threading.Semaphore
    ) -> None:
        line.request("POST", "/v1/uploads", headers={**tus, "Upload-Length": str(1024 * MIB)})
        created = line.getresponse()
        created.read()
        part = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        place = created.headers["Location"]
        body = self._body(begun)
        line.request("PATCH", place, body=body, headers=tus | part, encode_chunked=True)
        answer = line.getresponse()
        answer.read()
        if answer.status != 204:
            raise BenchFailed(f"an upload was answered with {answer.status}")
        line.request("DELETE", place, headers=tus)
        line.getresponse().read()

    def _body(self, begun: threading.Semaphore) -> Iterator[bytes]:
        began, sent = time.monotonic(), 0
        while not self.over.is_set():
            yield self._block
            if not sent:
                begun.release()
            sent += len(self._block)
            time.sleep(max(0.0, began + sent / self._bytes_s - time.monotonic()))


def main(media_url: str, mib_s: str) -> int:
    """Upload until stdin ends."""
    give_way(NICENESS)
    crowd, begun = _Crowd(media_url, float(mib_s) * MIB), threading.Semaphore(0)
    tokens = list(iter(lambda: sys.stdin.readline().strip(), ""))
    threads = [threading.Thread(target=crowd.upload, args=(token, begun)) for token in tokens]
    for thread in threads:
        thread.start()
    for _ in threads:
        begun.acquire()
    sys.stdout.buffer.write(BEGUN)
    sys.stdout.buffer.flush()
    sys.stdin.read()
    crowd.over.set()
    for thread in threads:
        thread.join()
    return 1 if crowd.failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
