"""Ports that nobody listens on at the moment, and that nobody is given by chance."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from typing import Final

# Below those that `hodhod up`, the load test and, from 32,768 on, the system itself take: a port
# of the system's range is given to whoever connects somewhere before a server listens on it.
PORTS: Final = range(10_000, 20_000)

# Each test process goes round from a place of its own.
_round = itertools.cycle(PORTS)
next(itertools.islice(_round, random.SystemRandom().randrange(len(PORTS)), None))


def free_port() -> int:
    """A loopback port that was free just now and was not given to this process lately."""
    for port in itertools.islice(_round, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port of the range is free")
