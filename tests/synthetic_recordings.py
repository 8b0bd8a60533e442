"""Recordings of runs that never were: seeded, quick to make, with the trouble that a test asks for.

Latencies are log-normal, and their median wanders slowly, as a real server's does: neighbouring
seconds are alike, which is what the bootstrap has to cope with.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence

import numpy

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import (
    Generator,
    Happening,
    Phase,
    Promised,
    ProviderSample,
    Recording,
    Sample,
    Slice,
    Slo,
)

SLOS = [
    Slo(name="message p99, surge ÷ baseline", measure="message.p99_ratio", goal=1.25),
    Slo(name="message p99", measure="message.p99_ms", goal=60),
    Slo(name="newcomers in", measure="signups.in_share", goal=0.999, is_most=False),
    Slo(name="lost messages", measure="messages.lost", goal=0),
    Slo(name="code in hand, p95", measure="code.p95_s", goal=25),
    Slo(name="coming back, p99", measure="returns.p99_ms", goal=300),
    Slo(name="promised time kept", measure="promises.kept", goal=0.9, is_most=False),
]


def phases(seconds: float) -> list[Phase]:
    """Warming up, calm, the surge, and after it."""
    shares = [("warm-up", "warm", 0.08), ("quiet", "baseline", 0.3)]
    shares += [("surge", "surge", 0.42), ("after", "recovery", 0.2)]
    told, from_s = [], 0.0
    for name, kind, share in shares:
        told.append(Phase(name, kind, from_s, from_s + share * seconds))
        from_s += share * seconds
    return told


def slices(
    seconds: int, per_s: float, median_ms: Callable[[int], float], chance: random.Random
) -> list[Slice]:
    """`per_s` latencies a second around a median that wanders by some percent."""
    draws = numpy.random.default_rng(chance.randrange(2**32))
    wander, told = 0.0, []
    for at_s in range(seconds):
        wander = 0.8 * wander + 0.04 * chance.gauss(0, 1)
        number = int(draws.poisson(per_s))
        around_us = 1e3 * median_ms(at_s) * math.exp(wander)
        values = draws.lognormal(math.log(around_us), 0.45, number).astype(numpy.int64)
        folded = histograms.folded(array("q", values.tobytes()))
        if number:
            told.append(Slice(at_s, number, histograms.encode(folded)))
    return told


def recording(
    seed: int = 1, seconds: int = 300, per_s: float = 100, damage: float = 1.0
) -> Recording:
    """Messages alone: their latencies are `damage` times as long in the surge."""
    stretches = phases(seconds)
    surge = stretches[2]

    def median_ms(at_s: int) -> float:
        return 8 * (damage if surge.from_s <= at_s < surge.to_s else 1.0)

    return Recording(
        scenario="surge_70k",
        seed=seed,
        command=f"hodhod-loadtest run surge_70k --seed {seed}",
        started_at="2026-11-23T14:00:00Z",
        seconds=float(seconds),
        phases=stretches,
        slos=SLOS[:2],
        latencies={"message": slices(seconds, per_s, median_ms, random.Random(seed))},
        counts={"messages.received": [(at_s, int(per_s)) for at_s in range(seconds)]},
        generator=Generator(lag_p99_ms=0.6, cpu_s=seconds * 0.4, processes=2),
    )


def full(seed: int = 1, seconds: int = 120, damage: float = 1.06) -> Recording:
    """One with everything that a report shows but a control."""
    return _with_people(recording(seed, seconds, damage=damage), strain=1.0)


def control(seed: int = 2, seconds: int = 120) -> Recording:
    """One that breaks what it is to break."""
    told = _with_people(recording(seed, seconds, damage=9.0), strain=8.0)
    told.scenario = "surge_70k, isolation off"
    return told


ENVIRONMENT: dict[str, str | int | float | bool] = {
    "commit": "0123456789abcdef",
    "cpu": "A processor",
    "cores": 2,
    "memory_mib": 7_900,
    "python": "3.11.9",
    "kernel": "Linux 6.1 x86_64",
    "time_scale": 0.2,
}
_ROLES = {
    "gateway": (0.5, 90_000),
    "signup": (0.35, 70_000),
    "worker": (0.1, 60_000),
    "postgres": (0.4, 210_000),
    "valkey": (0.05, 14_000),
}


def _with_people(told: Recording, strain: float) -> Recording:
    chance, seconds = random.Random(told.seed + 77), int(told.seconds)
    surge = told.phases[2]
    length = surge.to_s - surge.from_s

    def wave(at_s: float) -> float:
        """How much of the surge's height there is now."""
        into = (at_s - surge.from_s) / length
        return (1.8 if into < 1 / 3 else 0.6) if 0 <= into < 1 else 0.0

    told.slos = SLOS
    people = [(at_s, round(40 * wave(at_s))) for at_s in range(seconds) if wave(at_s)]
    told.latencies["code"] = _crowd(people, lambda _: 4_000 * max(1, strain / 2), chance)
    told.latencies["signup"] = _crowd(people, lambda _: 11_000 * max(1, strain / 3), chance)
    told.latencies["return"] = _crowd(people, lambda at_s: 40 * strain, chance)
    told.latencies["lag.inside"] = slices(seconds, 20, lambda _: 0.4, chance)
    told.latencies["ack"] = slices(seconds, 60, lambda _: 5.0, chance)
    told.counts |= {
        "arrived.newcomers": people,
        "arrived.returners": people,
        "in.newcomers": [(at_s + 12, number) for at_s, number in people],
        "in.returners": people,
        "texts.kavenegar": [(at_s + 1, round(number * 0.5)) for at_s, number in people],
        "texts.smsir": [(at_s + 1, round(number * 0.4)) for at_s, number in people],
        "refused.busy": [(at_s, round(strain)) for at_s, _ in people[::7]],
        "refused.rate_limited": [(at_s, 1) for at_s, _ in people[::11]],
        "error.timeout": [(at_s, 1) for at_s, _ in people[:: max(2, 40 // int(strain))]],
    }
    told.server = _server(seconds, wave, strain, chance)
    told.providers = _providers(people, surge)
    told.happenings = [
        Happening(surge.from_s + 20, "fault", "kavenegar falls silent"),
        Happening(surge.from_s + 38, "breaker", "kavenegar: dead (accepted codes are not typed)"),
        Happening(surge.from_s + 90, "breaker", "kavenegar: half_open ()"),
        Happening(surge.from_s + 96, "breaker", "kavenegar: ok ()"),
    ]
    told.promises = [
        Promised(promised, promised * chance.lognormvariate(-0.9, 0.5))
        for promised in (chance.uniform(3, 60) for _ in range(800))
    ]
    told.environment = ENVIRONMENT
    return told


def _server(
    seconds: int, wave: Callable[[float], float], strain: float, chance: random.Random
) -> dict[str, list[Sample]]:
    return {
        role: [
            Sample(
                at_s=float(at_s),
                cpu_s=cpu * (0.3 + 0.45 * wave(at_s)) * chance.uniform(0.85, 1.15),
                rss_kib=int(rss * (1 + at_s / seconds)),
                loop_lag_p99_ms=(1.5 + wave(at_s) * strain * 4) * chance.uniform(0.6, 1.6)
                if role in ("gateway", "signup", "worker")
                else None,
                pool_wait_p99_ms=(0.4 + wave(at_s) * strain * 3) * chance.uniform(0.5, 1.8)
                if role in ("gateway", "signup")
                else None,
            )
            for at_s in range(1, seconds)
        ]
        for role, (cpu, rss) in _ROLES.items()
    }


def _crowd(
    people: Sequence[tuple[int, int]], median_ms: Callable[[int], float], chance: random.Random
) -> list[Slice]:
    told = []
    for at_s, number in people:
        values = [int(1e3 * median_ms(at_s) * chance.lognormvariate(0, 0.5)) for _ in range(number)]
        folded = histograms.folded(array("q", values))
        told.append(Slice(at_s, number, histograms.encode(folded)))
    return told


def _providers(people: Sequence[tuple[int, int]], surge: Phase) -> dict[str, list[ProviderSample]]:
    told: dict[str, list[ProviderSample]] = {"kavenegar": [], "smsir": []}
    sums = {name: [0, 0, 0, 0] for name in told}
    for at_s, number in people:
        is_silent = surge.from_s + 20 <= at_s < surge.from_s + 90
        is_open = surge.from_s + 38 <= at_s < surge.from_s + 90
        shares = {"kavenegar": 0.05 if is_open else 0.5}
        shares["smsir"] = 1.05 - shares["kavenegar"]
        for name, share in shares.items():
            lost = 0.97 if is_silent and name == "kavenegar" else 0.05
            handed = round(number * share)
            delivered = round(handed * (1 - lost))
            step = (handed, round(handed * 0.01), delivered, round(delivered * 0.97))
            sums[name] = [whole + part for whole, part in zip(sums[name], step, strict=True)]
            handed_s, refused, delivered_s, verified = sums[name]
            told[name].append(
                ProviderSample(
                    at_s=float(at_s),
                    state="dead" if is_open and name == "kavenegar" else "ok",
                    handed=handed_s,
                    refused=refused,
                    delivered=delivered_s,
                    verified=verified,
                )
            )
    return told
