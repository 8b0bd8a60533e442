"""Private servers on one machine do not get into each other's ports."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys

from hodhod_loadtest.local_server import PORTS_OF_A_SERVER, port_block

HOLD: str = """
import sys
from hodhod_loadtest.local_server import port_block
with port_block() as base:
    print(base, flush=True)
    sys.stdin.read()
"""


def test_a_block_of_ports_has_one_holder_also_between_processes() -> None:
    with (
        port_block() as mine,
        subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        with port_block() as mine_too:
            bases = sorted((mine, theirs, mine_too))
            apart = [after - before for before, after in itertools.pairwise(bases)]
            assert min(apart) >= PORTS_OF_A_SERVER
        other.communicate()


def test_a_block_whose_port_somebody_listens_on_is_left_out_and_one_given_back_is_not() -> None:
    with port_block() as base:
        pass
    with port_block() as again:
        assert again == base
    with socket.create_server(("127.0.0.1", base + 2)), port_block() as next_one:
        assert next_one > base
