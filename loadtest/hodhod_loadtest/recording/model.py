"""The recording of a run: one JSON file, from which everything that is told of the run is made.

Times are seconds from the run's start; latencies are counted from when something was due, in
microseconds, as HdrHistograms (V2, compressed, base64), one a second and kind, so that any stretch
of the run can be summed up without loss. Whatever a run did not have is empty or `None`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

import msgspec

VERSION: Final = 1


class RecordingUnreadable(Exception):
    """The file is none, or of another version."""


class Phase(msgspec.Struct, frozen=True):
    """A stretch of the run. `kind`: `warm`, `baseline`, `surge` or `recovery`."""

    name: str
    kind: str
    from_s: float
    to_s: float


class Slice(msgspec.Struct, frozen=True):
    """What was due in one second and has come, of one kind."""

    at_s: int
    count: int
    histogram: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One role's processes together: CPU seconds used since the sample before, memory, waits."""

    at_s: float
    cpu_s: float
    rss_kib: int
    loop_lag_p99_ms: float | None = None
    pool_wait_p99_ms: float | None = None


class ProviderSample(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's funnel, counted since the start, and what the router thinks of it."""

    at_s: float
    state: str
    handed: int
    refused: int
    delivered: int
    verified: int


class Happening(msgspec.Struct, frozen=True):
    """What was done to the server, or what it did. `kind`: `fault`, `breaker`, `server`."""

    at_s: float
    kind: str
    what: str


class Promised(msgspec.Struct, frozen=True):
    """The longest that nine in ten were told to wait, and how long this one waited."""

    promised_s: float
    actual_s: float


class Generator(msgspec.Struct, frozen=True, kw_only=True):
    """The generator's own health: where it was late, the run says nothing of the server."""

    lag_p99_ms: float
    cpu_s: float
    processes: int = 1
    is_valid: bool = True
    why: str = ""


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """A goal of the scenario. `measure` names what `judging` computes; in its unit."""

    name: str
    measure: str
    goal: float
    is_most: bool = True


class Recording(msgspec.Struct, kw_only=True):
    """See the module. `control` is the same run with what it is to prove turned off."""

    scenario: str
    seed: int
    command: str
    started_at: str
    seconds: float
    version: int = VERSION
    environment: dict[str, str | int | float | bool] = {}
    phases: list[Phase] = []
    slos: list[Slo] = []
    latencies: dict[str, list[Slice]] = {}
    counts: dict[str, list[tuple[int, int]]] = {}
    server: dict[str, list[Sample]] = {}
    providers: dict[str, list[ProviderSample]] = {}
    happenings: list[Happening] = []
    promises: list[Promised] = []
    generator: Generator | None = None
    violations: list[str] = []
    control: Recording | None = None

    def total(self, name: str) -> int:
        """How often something was counted."""
        return sum(count for _, count in self.counts.get(name, ()))

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.part")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `RecordingUnreadable`, `OSError`."""
        try:
            recording = msgspec.json.decode(path.read_bytes(), type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordingUnreadable(f"{path.name} is no recording: {error}") from error
        if recording.version != VERSION:
            raise RecordingUnreadable(f"{path.name} is a recording of version {recording.version}")
        return recording
