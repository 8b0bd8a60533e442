"""A real nginx sends the files, and only to whom Hodhod says."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from hodhod_server import app
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.web.serving import serve
from tests.free_ports import free_port
from tests.people import People
from tests.source_tree import ROOT
from tests.system_packages import program, require_package
from tests.tus_caller import TusCaller

CONTENT = os.urandom(300_000)
AROUND = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; include {folder}/media.conf; }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, media_port: int, directory: Path) -> AsyncIterator[str]:
    """The example configuration with this test's places. Yields nginx's address."""
    example = (ROOT / "deploy/nginx/media.conf").read_text()
    own = example.replace("127.0.0.1:8082", f"127.0.0.1:{media_port}")
    (folder / "media.conf").write_text(own.replace("/var/lib/hodhod/media", str(directory)))
    port, user = free_port(), "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, port=port, user=user))
    started = await asyncio.create_subprocess_exec(
        program("nginx"), "-p", folder, "-c", folder / "nginx.conf"
    )
    try:
        async with asyncio.timeout(10):
            while not (folder / "nginx.pid").exists():
                assert started.returncode is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        started.terminate()
        await started.wait()


async def test_nginx_sends_what_hodhod_allows(
    settings: Settings, clock: Clock, keys: Keys, people: People, tmp_path: Path
) -> None:
    require_package("nginx-light")
    listen = ListenSettings(port=free_port())
    own = replace(settings.media, accel_location="/stored-media")
    (tmp_path / "nginx").mkdir()
    async with (
        app.media(settings.model_copy(update={"media": own}), clock) as parts,
        serve(parts.app, listen),
        nginx(tmp_path / "nginx", listen.port, own.directory) as base,
        TusCaller.open(base, await people.new()) as sara,
    ):
        media_id = MediaId(await sara.upload(CONTENT, "کوه.jpg", "image/jpeg"))
        links = MediaLinks(keys.media_link, clock, link_s=60, base_url=base)
        url, _ = links.mint(media_id, UserId(77))
        whole = await sara.get(url)
        assert (whole.status, whole.body) == (200, CONTENT)
        assert whole.headers["Content-Type"] == "image/jpeg"
        assert "filename*=UTF-8''" in whole.headers["Content-Disposition"]
        assert whole.headers["Cache-Control"] == "private, max-age=60, immutable"
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        assert whole.headers["Content-Security-Policy"] == "sandbox"
        assert whole.headers["Access-Control-Allow-Origin"] == "*"
        part = await sara.get(url, Range="bytes=-10", **{"If-Range": whole.headers["ETag"]})
        assert (part.status, part.body) == (206, CONTENT[-10:])
        assert (await sara.get(url, **{"If-None-Match": whole.headers["ETag"]})).status == 304
        assert (await sara.get(url, Range="bytes=300000-")).status == 416
        assert (await sara.get(url + "x")).code == "link_invalid"
        place = f"/stored-media/{media_id[:2]}/{media_id[2:]}"
        assert (await sara.get(base + place)).status == 404
