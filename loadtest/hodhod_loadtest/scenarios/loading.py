"""From a TOML file to a scenario, or to a sentence that says where the file is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from hodhod_loadtest.scenarios.model import Newcomers, Outage, Scenario

_SHIPPED: Final = resources.files("hodhod_loadtest.scenarios")
SUFFIX: Final = ".toml"


class ScenarioInvalid(Exception):
    """The text names the file, the place in it, and what is wrong there."""


def shipped() -> list[str]:
    """The names of those that come with us."""
    return sorted(
        item.name.removesuffix(SUFFIX) for item in _SHIPPED.iterdir() if item.name.endswith(SUFFIX)
    )


def load(name: str) -> Scenario:
    """One that comes with us by its name, or any other by its path. Raises `ScenarioInvalid`."""
    if name in shipped():
        return parse((_SHIPPED / f"{name}{SUFFIX}").read_bytes(), f"{name}{SUFFIX}")
    path = Path(name)
    if path.suffix != SUFFIX:
        raise ScenarioInvalid(
            f"there is no scenario {name}: name a {SUFFIX} file, or one of {', '.join(shipped())}"
        )
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ScenarioInvalid(f"{path}: {error.strerror}") from None


def parse(content: bytes, file: str) -> Scenario:
    """The scenario in a file of this name. Raises `ScenarioInvalid`."""
    try:
        told = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioInvalid(f"{file}: {error}") from None
    try:
        scenario = msgspec.convert(told, Scenario)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise ScenarioInvalid(f"{file}: {place.strip('`.') or 'top level'}: {what}") from None
    if complaint := next(_complaints(scenario), None):
        raise ScenarioInvalid(f"{file}: {complaint}")
    return msgspec.structs.replace(scenario, name=Path(file).stem)


def _complaints(scenario: Scenario) -> Iterator[str]:
    """What the types cannot say."""
    names = [phase.name for phase in scenario.phases]
    if len(set(names)) < len(names):
        yield "phases: two have the same name"
    for number, crowd in enumerate(scenario.crowds):
        yield from _of_phases(f"crowds[{number}]", crowd.phases, names)
        try:
            crowd.shape.curve(1, 1)
        except (ValueError, ZeroDivisionError):
            yield f"crowds[{number}].shape: nobody comes in it"
    if not scenario.carriers and any(isinstance(one, Newcomers) for one in scenario.crowds):
        yield "carriers: newcomers need somebody who carries codes"
    carriers = {carrier.name for carrier in scenario.carriers}
    for number, fault in enumerate(scenario.faults):
        if fault.at_s >= scenario.seconds:
            yield f"faults[{number}].at_s: the run is over by then"
        if isinstance(fault, Outage) and fault.whom not in carriers:
            yield f"faults[{number}].whom: there is no carrier {fault.whom}"


def _of_phases(place: str, wanted: list[str], names: list[str]) -> Iterator[str]:
    for name in wanted:
        if name not in names:
            yield f"{place}.phases: there is no phase {name}"
            return
    places = [names.index(name) for name in wanted]
    if places != list(range(places[0], places[0] + len(places))) if places else False:
        yield f"{place}.phases: they do not follow one another"
