"""People who upload while the server is killed under them, and what they may believe of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp
import asyncpg

from hodhod_server.domain.ids import DeviceId, UserId
from tests.over_http import sign_up
from tests.people import Person
from tests.running import RunningUp
from tests.tus_caller import Answer, TusCaller

SEED = int(os.environ.get("UPLOAD_KILLS_SEED", "5"))
MIB = 1024 * 1024
RECOVERY_S = 40.0  # who is killed often is started again later each time
SETTINGS: Mapping[str, str] = {
    "HODHOD__MEDIA__SYNC_BYTES": str(MIB),
    "HODHOD__MEDIA__UNFINISHED_PER_USER_MAX": "10000",
    "HODHOD__WORKER__SWEEP_S": "0.3",
}


@contextlib.asynccontextmanager
async def caller(up: RunningUp) -> AsyncIterator[TusCaller]:
    """Somebody who has signed up."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{up.address}/.well-known/hodhod") as response:
            signup = (await response.json())["signup"]
        user, token = await sign_up(session, signup, "09120000001")
        person = Person(UserId(user), DeviceId(0), "", token)
        yield TusCaller(session, up.role_address("media"), person)


async def kill_while_uploading(
    up: RunningUp, caller: TusCaller, names: Sequence[str], kills: int
) -> list[Uploader]:
    """Three people upload in every way while one of the processes after the other is killed."""
    dice = random.Random(SEED)
    people = [Uploader(caller, random.Random(dice.random())) for _ in range(3)]
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for one in people:
            tasks.create_task(one.run())
        killed = 0
        while killed < kills:
            await asyncio.sleep(dice.uniform(0.05, 0.8))
            with contextlib.suppress(ProcessLookupError):  # its successor is on its way
                os.kill(up.find(dice.choice(names)).pid, signal.SIGKILL)
                killed += 1
            await until_ready(up, session)
        for one in people:
            one.is_stopping = True
    return people


class Uploader:
    """Somebody who uploads file after file, and never believes less than was answered."""

    def __init__(self, caller: TusCaller, dice: random.Random) -> None:
        self._caller = caller
        self._dice = dice
        self.finished: dict[str, str] = {}
        self.begun: dict[str, bytes] = {}
        self.is_stopping = False

    async def run(self) -> None:
        kinds = [self._whole, self._whole, self._in_parts, self._and_leave]
        while not self.is_stopping:
            content = self._dice.randbytes(self._dice.randint(1, 6 * MIB))
            await self._dice.choice(kinds)(content)

    async def _whole(self, content: bytes) -> None:
        path = await self._upload(content, {})
        self._finish(path, content)

    async def _in_parts(self, content: bytes) -> None:
        middle = self._dice.randint(0, len(content))
        async with asyncio.TaskGroup() as tasks:
            parts = [
                tasks.create_task(self._upload(part, {"Upload-Concat": "partial"}))
                for part in (content[:middle], content[middle:])
            ]
        paths = " ".join(part.result() for part in parts)
        answer = await self._ask("POST", "/v1/uploads", {"Upload-Concat": f"final;{paths}"})
        assert answer.status == 201, answer
        self._finish(answer.headers["Location"], content)

    async def _and_leave(self, content: bytes) -> None:
        path = await self._create(len(content) + 1, {})
        await self._send(path, content, 0)

    def _finish(self, path: str, content: bytes) -> None:
        self.finished[path.rpartition("/")[2]] = hashlib.sha256(content).hexdigest()

    async def _create(self, length: int, headers: dict[str, str]) -> str:
        answer = await self._ask("POST", "/v1/uploads", {"Upload-Length": str(length), **headers})
        assert answer.status == 201, answer
        return answer.headers["Location"]

    async def _upload(self, content: bytes, headers: dict[str, str]) -> str:
        path = await self._create(len(content), headers)
        offset = 0
        while offset < len(content):
            offset = await self._send(path, content, offset)
        return path

    async def _send(self, path: str, content: bytes, offset: int) -> int:
        """One piece; the offset from which to go on, which is never less than what was promised."""
        self.begun[path.rpartition("/")[2]] = content
        piece = content[offset : offset + self._dice.choice([MIB // 2, 3 * MIB, 20 * MIB])]
        headers = {}
        if self._dice.random() < 0.3:
            digest = base64.b64encode(hashlib.sha1(piece).digest()).decode()
            headers["Upload-Checksum"] = f"sha1 {digest}"
        with contextlib.suppress(aiohttp.ClientError):
            answer = await self._caller.patch(path, offset, piece, **headers)
            if answer.status == 204:
                assert answer.offset == offset + len(piece)
                return answer.offset
            assert answer.status in {423, 503}, answer
        head = await self._ask("HEAD", path, {})
        assert head.status == 200, "what was answered is still there"
        assert offset <= head.offset <= offset + len(piece), "an offset lied"
        return head.offset

    async def _ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Until somebody answers who is not starting, or stopping.

        Joining parts takes longer than many a process here lives, so the deadline runs from the
        last kill.
        """
        last: Answer | aiohttp.ClientError | None = None
        loop_time = asyncio.get_running_loop().time
        ends_s = loop_time() + RECOVERY_S
        while loop_time() < ends_s:
            try:
                last = await self._caller.ask(method, path, headers)
                if last.status not in {423, 503}:
                    return last
            except aiohttp.ClientError as error:
                last = error
            await asyncio.sleep(0.05)
            if not self.is_stopping:
                ends_s = loop_time() + RECOVERY_S
        raise AssertionError(f"{method} is answered with {last!r} only")


async def until_ready(up: RunningUp, session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(RECOVERY_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{up.role_address('media')}/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def expire(up: RunningUp) -> list[asyncpg.Record]:
    """A day passes for everything that is not finished; what is left after the sweep."""
    connection = await asyncpg.connect(up.processes().database_url)
    try:
        await connection.execute(
            "UPDATE uploads SET expires_at = now() - interval '1 s', "
            "removed_at = removed_at - interval '1 day' WHERE finished_at IS NULL OR is_partial"
        )
        async with asyncio.timeout(RECOVERY_S):
            while True:
                left = await connection.fetch("SELECT * FROM uploads")
                if all(row["finished_at"] and not row["is_partial"] for row in left):
                    return left
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
