"""`hodhod serve` runs roles as production does: everything from the environment."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from hodhod_server.settings import DatabaseSettings, RedisSettings
from hodhod_server.supervisor import Options, choose_ports
from tests.running import START_S, STOP_S, environment, get_status, wait_until

POOL_MAX = 3


def test_all_roles_in_one_process_have_a_port_each_and_one_pool(
    database_settings: DatabaseSettings, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    ports = choose_ports(Options(data_dir=tmp_path, host="127.0.0.1", port=0, gateways=1))
    settings = {
        "HODHOD__DATABASE__URL": database_settings.url,
        "HODHOD__DATABASE__POOL_MAX": str(POOL_MAX),
        "HODHOD__REDIS__URL": redis_settings.url,
        "HODHOD__REDIS__PREFIX": redis_settings.prefix,
        "HODHOD__SECURITY__MASTER_KEY": "k" * 32,
        "HODHOD__PUBLIC__SIGNUP_PORT": str(ports.signup),
        "HODHOD__PUBLIC__MEDIA_PORT": str(ports.media),
        "HODHOD__MEDIA__DIRECTORY": str(tmp_path / "media"),
    }
    command = ["serve", "--role", "all", "--port", str(ports.gateway)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hodhod_server", *command], env=environment(settings)
    )
    try:
        own = [f"http://127.0.0.1:{port}/ready" for port in ports.all(0)]
        wait_until(lambda: [get_status(url) for url in own] == [200] * 4, START_S)
        with ThreadPoolExecutor(20) as askers:  # more at a time than a pool has connections
            assert set(askers.map(get_status, 20 * own)) == {200}
        held = asyncio.run(_connections(database_settings.url))
        for name in ("hodhod-dispatcher", "hodhod-jobs"):  # what a session holds, no pool can lend
            assert held.pop(name, 0) <= 1
        assert held == {"hodhod-all": POOL_MAX}
    finally:
        process.terminate()
        assert process.wait(STOP_S) == 0


async def _connections(url: str) -> Counter[str]:
    """How many the server's parts have, by the names they gave themselves."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'hodhod-%'"
        )
    finally:
        await connection.close()
    return Counter(row["application_name"] for row in rows)
