"""`hodhod serve` runs roles as production does: everything from the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hodhod_server.settings import DatabaseSettings, RedisSettings
from hodhod_server.supervisor import Options, choose_ports
from tests.running import START_S, STOP_S, environment, get_status, wait_until


def test_all_roles_in_one_process_each_have_a_port(
    database_settings: DatabaseSettings, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    ports = choose_ports(Options(data_dir=tmp_path, host="127.0.0.1", port=0, gateways=1))
    settings = {
        "HODHOD__DATABASE__URL": database_settings.url,
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
    finally:
        process.terminate()
        assert process.wait(STOP_S) == 0
