"""A moment as people give it on a command line: how long ago, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from hodhod_server.domain.clock import SystemClock

_AGO: Final = re.compile(r"(?P<count>\d{1,6})(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """`90s`, `30m`, `1h`, `2d` before now, or an ISO 8601 date, which is UTC unless it says."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment in UTC."""
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value)
        try:
            if ago is not None:
                passed = timedelta(**{_UNITS[ago["unit"]]: int(ago["count"])})
                return SystemClock().now() - passed
            given = datetime.fromisoformat(value)
            return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither like 30m, 1h, 2d nor like 2026-11-23T10:00", param, ctx
            )
