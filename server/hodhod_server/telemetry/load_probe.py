"""How late this process's event loop is, as one of four levels: what it sheds follows from that.

One loop sleeps for 20 ms again and again and sees how much later it wakes. Everything that keeps a
process from its work shows there, a slow callback as well as a processor that others use.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hodhod_server.domain.load import Ladder, Level, Recent
from hodhod_server.settings import LoadSettings
from hodhod_server.telemetry import logs, metrics

log = logs.get("load")
EVERY_S: Final = 0.02
WINDOW_S: Final = 1.0
SAMPLES_MIN: Final = 10


class LoadProbe:
    """The `Load` of this process.

    `patience`: how many times later than a message may be what is served here. A level is left so
    many times sooner, too: who sheds for seconds what it could serve goes to and fro at half speed.
    """

    def __init__(self, settings: LoadSettings, patience: float = 1.0) -> None:
        self._recent = Recent(WINDOW_S, SAMPLES_MIN)
        thresholds_ms = (settings.busy_ms, settings.strained_ms, settings.saturated_ms)
        thresholds_s = [patience * value / 1000 for value in thresholds_ms]
        self._ladder = Ladder(thresholds_s, settings.calm_s / patience)
        self._level = Level.CALM

    @property
    def level(self) -> Level:
        """The level as of now."""
        return self._level

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due_s = clock() + EVERY_S
            await asyncio.sleep(EVERY_S)
            now_s = clock()
            self._take(max(0.0, now_s - due_s), now_s)

    def _take(self, lag_s: float, now_s: float) -> None:
        metrics.LOOP_LAG_SECONDS.observe(lag_s)
        self._recent.add(lag_s, now_s)
        level = self._ladder.observe(self._recent.p90(), now_s)
        if level is not self._level:
            log.info("load.changed", level=level.name.lower(), was=self._level.name.lower())
            metrics.LOAD_LEVEL.set(level)
            self._level = level
