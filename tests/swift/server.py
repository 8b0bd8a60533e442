"""A real object store for the session: OpenStack Swift, by its S3 interface.

Swift and what it needs are too many packages for everybody's environment, and live in one of their
own: `make swift`. Without it the tests that want it are skipped, and fail where
`SYSTEM_PACKAGES_REQUIRED` is set.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from hodhod_server.blobs.s3_requests import Ask, Bucket, S3Requests, open_session
from hodhod_server.blobs.s3_signing import Signer
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.secret import Secret
from hodhod_server.settings import S3Settings
from tests.free_ports import free_port
from tests.system_packages import REQUIRED_VARIABLE

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / "build/swift/bin/python"
NODE: Final = Path(__file__).with_name("node.py")
BUCKET: Final = "media"


def require_swift() -> None:
    """Skip, or fail where packages are required, unless Swift is there."""
    if PYTHON.exists():
        return
    reason = "needs the package swift from PyPI: run `make swift`"
    if os.environ.get(REQUIRED_VARIABLE):
        pytest.fail(reason)
    pytest.skip(reason)


def s3_settings(port: int) -> S3Settings:
    """How to reach it, with parts as small as S3 allows."""
    return S3Settings(
        endpoint=f"http://127.0.0.1:{port}",
        bucket=BUCKET,
        access_key="hodhod:media",
        secret_key=Secret(b"secret"),
        part_bytes=5 * 1024 * 1024,
    )


async def _make_bucket(terms: S3Settings) -> None:
    bucket = Bucket(endpoint=terms.endpoint, name=terms.bucket, is_path_style=True)
    signer = Signer(access_key=terms.access_key, secret_key=terms.secret_key, region=terms.region)
    async with open_session(1) as session:
        await S3Requests(session, bucket, signer, SystemClock(), 1).text(Ask(method="PUT"))


@contextlib.contextmanager
def running_swift(folder: Path) -> Iterator[int]:
    """The port of S3. Swift ends with the block."""
    ports = [free_port() for _ in range(4)]
    command = [str(PYTHON), "-W", "ignore", str(NODE), str(folder), *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            with ThreadPoolExecutor(1) as thread:  # a loop may be running in this one
                thread.submit(asyncio.run, _make_bucket(s3_settings(ports[0]))).result()
            yield ports[0]
        finally:
            process.kill()
