"""Scenarios say what they mean, or a sentence says where they do not."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from hodhod_loadtest.judging.verdict import find_measured
from hodhod_loadtest.running.carrying import lines
from hodhod_loadtest.scenarios.loading import ScenarioInvalid, load, parse, shipped
from hodhod_loadtest.scenarios.model import Chatters, Newcomers, Scale, Scenario
from hodhod_loadtest.scenarios.scaling import scaled, shortened
from hodhod_server.settings import Settings
from tests.loadtest.test_recording import recording

SURGE = (resources.files("hodhod_loadtest.scenarios") / "surge_70k.toml").read_text("utf-8")
WANTED = {
    "surge_70k",
    "provider_outage",
    "reconnect_storm",
    "chat",
    "capacity",
    "large_group",
    "uploads",
    "soak",
    "bot_flood",
}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_scenario_that_comes_with_us_can_be_played(name: str) -> None:
    scenario = load(name)
    played = scaled(scenario, scenario.scale)
    assert played.name == name
    assert played.slos, "a scenario without goals proves nothing"
    assert played.seconds < 1_200
    for crowd in played.crowds:
        from_s, to_s = played.window(crowd)
        assert 0 <= from_s < to_s <= played.seconds
    assert len(lines(played)) == len(played.carriers)
    assert {section.lower() for section in played.server} <= set(Settings.model_fields)
    for slo in played.slos:
        find_measured(recording(), slo.measure)  # an unknown one would raise


def test_these_are_the_scenarios_that_come_with_us() -> None:
    assert set(shipped()) == WANTED


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("people = 70000", "people = -3", "crowds[1].people: Expected `int` >= 1"),
        ("pairs = 200", "pears = 200", "crowds[0]: Object contains unknown field `pears`"),
        ("per_s = 150", 'per_s = "x"', "crowds[0].per_s: Expected `float`, got `str`"),
        ("per_s = 150", "per_s = -1", "crowds[0].per_s: Expected `float` > 0.0"),
        ('phases = ["surge"]', 'phases = ["urge"]', "crowds[1].phases: there is no phase urge"),
        (
            'phases = ["surge"]',
            'phases = ["warm", "surge"]',
            "crowds[1].phases: they do not follow one another",
        ),
        ('kind = "front_loaded"', 'kind = "front"', "crowds[1].shape.kind: Invalid value 'front'"),
        ("goal = 1000", "gaol = 1000", "slos[8]: Object contains unknown field `gaol`"),
        ("seed = 1", "seed = = 1", "Invalid value (at line 2, column 8)"),
        ("[scale]", "[scales]", "top level: Object contains unknown field `scales`"),
        ('name = "quiet"', 'name = "warm"', "phases: two have the same name"),
        (
            "[control]",
            '[[faults]]\nwhat = "provider"\nwhom = "fourth"\nhow = "silent"\nat_s = 1\nfor_s = 1\n'
            "[control]",
            "faults[0].whom: there is no carrier fourth",
        ),
        (
            "[control]",
            '[[faults]]\nwhat = "kill"\nwhom = "signup"\nat_s = 9999\n[control]',
            "faults[0].at_s: the run is over by then",
        ),
        (
            'shape = { kind = "front_loaded" }',
            'shape = { kind = "replay", counts = [0, 0] }',
            "crowds[1].shape: nobody comes in it",
        ),
    ],
)
def test_a_mistake_is_told_with_its_file_and_place(right: str, wrong: str, told: str) -> None:
    assert right in SURGE
    with pytest.raises(ScenarioInvalid) as complaint:
        parse(SURGE.replace(right, wrong, 1).encode(), "mine.toml")
    assert str(complaint.value).startswith("mine.toml: ")
    assert told in str(complaint.value)


def test_newcomers_without_carriers_are_refused() -> None:
    without = SURGE.replace("[[carriers]]", "[[carrier]]")
    with pytest.raises(ScenarioInvalid, match="unknown field `carrier`"):
        parse(without.encode(), "mine.toml")
    head, _, tail = SURGE.partition("# Three providers")
    slos = tail[tail.index("[[slos]]") :]
    with pytest.raises(ScenarioInvalid, match="newcomers need somebody who carries codes"):
        parse((head + slos).encode(), "mine.toml")


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ScenarioInvalid, match="one of bot_flood, capacity, chat"):
        load("surge")
    with pytest.raises(ScenarioInvalid, match="No such file"):
        load(str(tmp_path / "none.toml"))


def test_settings_of_the_server_become_its_environment() -> None:
    table = '[server.signup]\nprocesses = 2\ninbound_lines = ["+983000"]\n[control]'
    scenario = parse(SURGE.replace("[control]", table, 1).encode(), "mine.toml")
    assert scenario.environment == {
        "HODHOD__SIGNUP__PROCESSES": "2",
        "HODHOD__SIGNUP__INBOUND_LINES": '["+983000"]',
    }


def test_scaling_changes_people_and_time_and_shortening_only_the_length() -> None:
    whole = scaled(load("surge_70k"), Scale())
    half = scaled(whole, Scale(people=0.5, time=0.25))
    short = shortened(half, 0.1)
    assert (whole.seconds, half.seconds) == (4100, 4100 / 4)
    assert half.newcomers_peak_per_s == pytest.approx(2 * whole.newcomers_peak_per_s)
    assert short.newcomers_peak_per_s == pytest.approx(half.newcomers_peak_per_s, rel=0.01)
    rates = [
        crowd.per_s
        for scenario in (whole, half, short)
        for crowd in scenario.crowds
        if isinstance(crowd, Chatters)
    ]
    assert rates == [150, 75, 75]
    [newcomers] = [crowd for crowd in short.crowds if isinstance(crowd, Newcomers)]
    assert newcomers.people == 3500
    assert {phase.name: phase.seconds for phase in short.phases} == pytest.approx(
        {"warm": 1.25, "quiet": 30.0, "surge": 90.0, "after": 3.75}
    ), "what is compared with stays long enough"


def test_a_fault_stays_at_its_moment_of_its_phase_however_short() -> None:
    outage = load("provider_outage")
    short = shortened(outage, 0.1)

    def places(scenario: Scenario) -> list[tuple[str, float]]:
        found = []
        for fault in scenario.faults:
            [phase] = [one for one in scenario.timeline if one.from_s <= fault.at_s < one.to_s]
            share = (fault.at_s - phase.from_s) / (phase.to_s - phase.from_s)
            found.append((phase.name, round(share, 6)))
        return found

    assert places(short) == places(outage) != []
