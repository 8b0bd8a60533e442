"""What a refused frame is answered with, and when somebody errs too often. It has to be cheap."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from hodhod_server.domain.errors import HodhodError
from hodhod_server.telemetry import metrics
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode
from hodhod_wire.frames import Error, Titles

WINDOW_S: Final = 60.0
# What does not change is made once.
REFUSALS: Final = {code: metrics.REFUSALS.labels(str(code)) for code in ErrorCode}
TITLES: Final = {code: Titles(en=text.en, fa=text.fa) for code, text in ERROR_TEXTS.items()}


def answer(ref: int, refusal: HodhodError) -> Error:
    """The answer to a frame that is refused, counted."""
    REFUSALS[refusal.code].inc()
    return Error(
        ref=ref,
        code=str(refusal.code),
        titles=TITLES[refusal.code],
        detail=refusal.detail,
        retry_after=refusal.retry_after_s,
    )


class Patience:
    """With one client, whose faults within a minute are at most so many."""

    __slots__ = ("_faults_at",)

    def __init__(self, faults_max: int) -> None:
        self._faults_at: deque[float] = deque(maxlen=faults_max)

    def is_lost_with(self, refusal: HodhodError) -> bool:
        """Is this refusal one too many? What may be tried again was not the client's fault."""
        if ERROR_TEXTS[refusal.code].may_retry:
            return False
        now = asyncio.get_running_loop().time()
        self._faults_at.append(now)
        is_full = len(self._faults_at) == self._faults_at.maxlen
        return is_full and now - self._faults_at[0] < WINDOW_S
