"""Where moments are shown: live where `out` is a terminal, a line each ten seconds otherwise.

A view is a context: `with watch("surge_70k", sys.stderr) as view: view.show(moment)` once a second.
It starts no thread, and what it does takes a millisecond of the generator's time.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.live import Live

from hodhod_loadtest.watching.moment import Moment
from hodhod_loadtest.watching.picture import picture
from hodhod_loadtest.watching.telling import line

LINE_EVERY_S: Final = 10.0
OVER_S: Final = 5
"""So long speeds are averaged."""


class View(Protocol):
    """Somewhere to show a run."""

    def show(self, moment: Moment) -> None:
        """The next second. An earlier one than before begins another run."""
        ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def watch(name: str, out: TextIO) -> View:
    """The view that `out` can show."""
    return LiveView(name, Console(file=out)) if out.isatty() else PlainView(out)


class _Memory:
    """The last seconds."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque(maxlen=OVER_S + 1)

    def before(self, moment: Moment) -> Moment:
        """The oldest that is remembered, once this one is, too."""
        if self._moments and moment.at_s < self._moments[-1].at_s:
            self._moments.clear()
        self._moments.append(moment)
        return self._moments[0]


class PlainView:
    """Lines: at the start of each phase, and now and then."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._memory = _Memory()
        self._last: Moment | None = None

    def show(self, moment: Moment) -> None:
        """Mostly nothing."""
        before = self._memory.before(moment)
        if self._is_due(moment):
            self._last = moment
            self.say(line(moment, before))

    def say(self, text: str) -> None:
        """A line."""
        self._out.write(f"{text}\n")
        self._out.flush()

    def _is_due(self, moment: Moment) -> bool:
        last = self._last
        return (
            last is None
            or moment.at_s >= last.at_s + LINE_EVERY_S
            or moment.at_s < last.at_s
            or moment.phase != last.phase
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class LiveView:
    """A picture that is drawn over itself; the last one stays."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._memory = _Memory()
        self._live = Live(console=console, auto_refresh=False)

    def show(self, moment: Moment) -> None:
        """Draw it."""
        before = self._memory.before(moment)
        self._live.update(picture(self._name, moment, before), refresh=True)

    def say(self, text: str) -> None:
        """Above the picture."""
        self._live.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)
