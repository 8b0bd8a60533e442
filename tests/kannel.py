"""A real Kannel in a folder of the test: bearerbox and smsbox, bound to a carrier of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.free_ports import free_port
from tests.system_packages import program

START_S: Final = 10.0
STOP_S: Final = 2.0
_GROUPS: Final = """
group = core
admin-port = {admin_port}
admin-interface = 127.0.0.1
admin-password = nobody
smsbox-port = {smsbox_port}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-level = 1

group = smsc
smsc = smpp
smsc-id = carrier
host = 127.0.0.1
port = {smsc_port}
transceiver-mode = true
smsc-username = kannel
smsc-password = secret
system-type = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {smsbox_port}
sendsms-port = {sendsms_port}
sendsms-interface = 127.0.0.1
log-level = 1

group = sendsms-user
username = hodhod
password = secret
concatenation = true
max-messages = 3

group = sms-service
keyword = default
catch-all = true
max-messages = 0
post-url = "{callback_url}?from=%p&to=%P&charset=%C&coding=%c&id=%I"
"""


@contextlib.asynccontextmanager
async def run_kannel(folder: Path, smsc_port: int, callback_url: str) -> AsyncIterator[str]:
    """Kannel, for the life of the block. Yields the address of its sendsms."""
    smsbox_port, sendsms_port = free_port(), free_port()
    config = folder / "kannel.conf"
    config.write_text(
        _GROUPS.format(
            admin_port=free_port(),
            smsbox_port=smsbox_port,
            sendsms_port=sendsms_port,
            smsc_port=smsc_port,
            callback_url=callback_url,
        )
    )
    async with _box("bearerbox", config, smsbox_port), _box("smsbox", config, sendsms_port):
        yield f"http://127.0.0.1:{sendsms_port}/cgi-bin/sendsms"


@contextlib.asynccontextmanager
async def _box(name: str, config: Path, port: int) -> AsyncIterator[None]:
    """One of its processes, once it listens."""
    with (config.parent / f"{name}.log").open("wb") as log:
        box = await asyncio.create_subprocess_exec(
            program(name), config, stdout=log, stderr=log, cwd=config.parent
        )
        try:
            await _listening(box, port)
            yield
        finally:
            await _stopped(box)


async def _listening(box: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert box.returncode is None, "it ended; see its log"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.05)


async def _stopped(box: asyncio.subprocess.Process) -> None:
    if box.returncode is None:
        box.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await box.wait()
    except TimeoutError:
        box.kill()
        await box.wait()
