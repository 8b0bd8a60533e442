"""OpenStack Swift with its S3 interface, whole, in one process: four servers on one disk.

Run by the Python that has Swift (`build/swift`, made from tests/swift/requirements.txt), never
imported: `node.py FOLDER PORT PORT PORT PORT`, the first for S3. It says `ready` when all four
accept connections. One copy of everything and no background daemons: what is under test is our side
of the S3 protocol.
"""
# ruff: noqa: E402

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import logging
import sys
from pathlib import Path

from eventlet import wsgi
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import loadapp

SERVERS = ("account", "container", "object")
DEVICE = "disk"
PROXY = """
[DEFAULT]
swift_dir = {folder}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth copy slo proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_hodhod_media = secret .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
yield_frequency = 0
[filter:proxy-logging]
use = egg:swift#proxy_logging
access_log_level = ERROR
"""
STORAGE = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}
mount_check = false
disable_fallocate = true
log_level = ERROR
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def _write_configuration(folder: Path, ports: dict[str, int]) -> None:
    (folder / DEVICE).mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\n"
        "default = yes\n"
    )
    (folder / "proxy.conf").write_text(PROXY.format(folder=folder))
    for name in SERVERS:
        (folder / f"{name}.conf").write_text(STORAGE.format(folder=folder, name=name))
        ring = RingBuilder(4, 1, 0)
        address = {"ip": "127.0.0.1", "port": ports[name]}
        ring.add_dev({"region": 1, "zone": 1, "device": DEVICE, "weight": 1, **address})
        ring.rebalance()
        ring.get_ring().save(str(folder / f"{name}.ring.gz"))


def main() -> None:
    """Serve until killed."""
    folder = Path(sys.argv[1]).resolve()
    ports = dict(zip(("proxy", *SERVERS), map(int, sys.argv[2:]), strict=True))
    _write_configuration(folder, ports)
    utils.set_swift_dir(str(folder))
    silence = logging.getLogger("silent")
    silence.addHandler(logging.NullHandler())
    silence.propagate = False
    running = []
    for name in (*SERVERS, "proxy"):
        app = loadapp(str(folder / f"{name}.conf"))
        listener = eventlet.listen(("127.0.0.1", ports[name]))
        running.append(eventlet.spawn(wsgi.server, listener, app, silence))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for server in running:
        server.wait()


if __name__ == "__main__":
    main()
