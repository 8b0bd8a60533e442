"""The planning model: more never needs less, units fit, and it holds at rates it was not given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hodhod_loadtest.cli import main
from hodhod_loadtest.planning import check, costs
from hodhod_loadtest.planning.costs import Costs
from hodhod_loadtest.planning.curve import CostCurve, Load
from hodhod_loadtest.planning.demand import Demand, Terms
from hodhod_loadtest.planning.model import Part, plan
from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Phase, Recording, Sample, Slice

KEPT = costs.read(costs.KEPT)
CURVE = CostCurve([Load(1000.0, {"gateway": 0.1}), Load(10_000.0, {"gateway": 0.4})])


def simple() -> Costs:
    """A gateway's message costs 100 µs at any rate from 1,000 a second on; else a CPU-second is
    a sign-up for 1 ms, a connect for 2 ms, a MiB for 10 ms.
    """
    return Costs(
        cpu="a test's", gateways=2,
        message=CostCurve([Load(1000.0, {"gateway": 0.1, "postgres": 0.02}),
                           Load(9000.0, {"gateway": 0.9, "postgres": 0.18})]),
        crossing_s=0.0, delivery_s=0.00001, connect={"gateway": 0.002}, signup={"signup": 0.001},
        upload_mib={"media": 0.01}, download_mib={"media": 0.01}, upload_memory_mib=100.0,
        connection_kib=2.0, process_mib=64.0, online_growth=1.0, online_measured=1e9,
    )  # fmt: skip


def parts(demand: Demand, terms: Terms, known: Costs) -> dict[str, Part]:
    return {part.name: part for part in plan(demand, terms, known).parts}


def test_numbers_that_can_be_followed_by_hand() -> None:
    demand = Demand(
        users=86_400_000, online_share=0.01, messages_per_user_day=10, peak_to_mean=2,
        readers_per_message=1, connects_per_online_hour=0, signup_surge=60_000,
        media_gb_day=8_640 * 1.048576, downloads_per_upload=1,
    )  # fmt: skip
    terms = Terms(
        machine_cores=8, use_most=0.5, connections_per_gateway=1_000_000, row_bytes=1000,
        frame_bytes=125, retention_days=100,
    )  # fmt: skip
    found = plan(demand, terms, simple())
    by_name = parts(demand, terms, simple())
    assert found.messages_per_s == pytest.approx(20_000)
    assert found.signups_per_s == pytest.approx(180), "1.8 times the mean of 100"
    # 20,000 x 100 µs = 2 cores, half of each to be used; 400 frames of 125 bytes are 0.4 Mbit
    assert by_name["gateway"].cores == 4
    assert by_name["gateway"].busy == pytest.approx(2.0)
    assert by_name["gateway"].network_gbit_s == pytest.approx(0.04)
    assert by_name["gateway"].memory_gib == pytest.approx(864_000 * 10 / 2**20 + 4 * 64 / 1024)
    assert by_name["postgres"].busy == pytest.approx(0.4)
    assert by_name["postgres"].disk_tb == pytest.approx(864e6 * 1000 * 100 / 1e12)
    assert by_name["signup"].busy == pytest.approx(0.18)
    # 8,640 x 2^20 x 1000 bytes a day, twice that at the peak: 200 MiB/s up, as much down
    assert by_name["media"].busy == pytest.approx(4.0, rel=0.05)
    assert by_name["media"].cores == 8
    assert found.machines == sum(part.machines + part.spare for part in found.parts)


def test_each_of_the_scarce_things_can_decide() -> None:
    demand = Demand(users=1e7, media_gb_day=20_000)
    little = Terms(machine_memory_gib=2.0)
    assert parts(demand, Terms(), simple())["media"].bound_by == "network"
    assert parts(demand, little, simple())["gateway"].bound_by == "memory"
    assert parts(demand, Terms(), simple())["gateway"].bound_by == "cores"


MORE = (
    *("users", "online_share", "messages_per_user_day", "peak_to_mean", "readers_per_message"),
    *("connects_per_online_hour", "signup_surge", "media_gb_day", "downloads_per_upload"),
)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(MORE), st.floats(1.0, 20.0), st.floats(1e4, 1e8), st.sampled_from([0.3, 0.5])
)
def test_more_of_anything_never_needs_less_of_any_part(
    name: str, times: float, users: float, use_most: float
) -> None:
    terms = Terms(use_most=use_most)
    less = Demand(users=users, online_share=0.05, media_gb_day=users / 1000)
    more = replace(less, **{name: getattr(less, name) * times})
    before, after = parts(less, terms, KEPT), parts(more, terms, KEPT)
    for part in before:
        assert after[part].machines >= before[part].machines
        assert after[part].busy >= before[part].busy * 0.999
        assert after[part].busy <= terms.use_most * after[part].cores + 1e-9


@given(st.floats(0.0, 1e6), st.floats(1.0, 10.0))
def test_more_messages_cost_more_and_each_of_them_less(per_s: float, times: float) -> None:
    before, after = CURVE.cores("gateway", per_s), CURVE.cores("gateway", per_s * times)
    assert before <= after * (1 + 1e-9)
    assert after <= before * times * (1 + 1e-9)


def test_a_curve_goes_through_what_was_measured_and_is_careful_beyond() -> None:
    assert CURVE.cores("gateway", 10.0) == 0.1
    assert CURVE.cores("gateway", 1000.0) == 0.1
    assert CURVE.cores("gateway", 1000 * 10**0.5) == pytest.approx(0.2)
    assert CURVE.cores("gateway", 20_000.0) == pytest.approx(0.8)
    assert CURVE.cores("valkey", 20_000.0) == 0.0


def test_the_model_holds_at_rates_that_it_was_not_given() -> None:
    assert KEPT.message is not None
    held = check.leave_one_out(KEPT.message, KEPT.gateways)
    assert len(held) >= 2
    assert all(abs(each.off_by) < 0.25 for each in held), held


def test_a_run_of_a_scenario_is_held_against_the_model_by_its_quiet_phase(tmp_path: Path) -> None:
    assert KEPT.message is not None
    per_s, gateways = 4000, 2
    cores = {role: gateways * KEPT.message.cores(role, per_s / 2) for role in KEPT.message.roles}
    histogram = histograms.encode(histograms.empty())
    recording = Recording(
        scenario="chat", seed=1, command="", started_at="", seconds=30.0,
        environment={"cores": gateways},
        phases=[Phase("quiet", "baseline", 0.0, 10.0), Phase("wave", "surge", 10.0, 30.0)],
        latencies={"message": [Slice(second, per_s, histogram) for second in range(30)]},
        server={
            role: [Sample(at_s=second + 1.0, cpu_s=used * (1 if second < 10 else 3), rss_kib=1)
                   for second in range(30)]
            for role, used in cores.items()
        },
    )  # fmt: skip
    recording.write(tmp_path / "recording.json")
    run = CliRunner().invoke(main, ["plan", "--check", str(tmp_path / "recording.json"), "--json"])
    assert run.exit_code == 0, run.output
    [held] = json.loads(run.output)
    assert (held["per_s"], held["off_by"]) == pytest.approx((4000.0, 0.0))

    recording.phases = recording.phases[1:]
    recording.write(tmp_path / "recording.json")
    run = CliRunner().invoke(main, ["plan", "--check", str(tmp_path / "recording.json")])
    assert run.exit_code == 1
    assert "no quiet phase" in run.output


def test_what_was_not_measured_is_told_and_not_guessed(tmp_path: Path) -> None:
    figures = json.loads((costs.KEPT / costs.BENCH).read_text())
    kept = [figure for figure in figures if figure["name"] != costs.SIGNUPS]
    (tmp_path / costs.BENCH).write_text(json.dumps(kept))
    (tmp_path / costs.ENVIRONMENT).write_text('{"cpu": "x", "cores": 2}')
    run = CliRunner().invoke(main, ["plan", "--measured", str(tmp_path), "--users", "15e6"])
    assert run.exit_code == 0, run.output
    assert f"not measured, so not planned: {costs.SIGNUPS}" in run.output

    (tmp_path / costs.BENCH).write_text("{}")
    run = CliRunner().invoke(main, ["plan", "--measured", str(tmp_path)])
    assert run.exit_code == 1
    assert "holds no figures" in run.output


def test_the_command_plans_and_checks_in_json() -> None:
    run = CliRunner().invoke(main, ["plan", "--users", "15e6", "--json"])
    told = json.loads(run.output)
    assert told["assumptions"]["users"] == 15e6
    assert told["machines"] > 10
    assert {part["name"] for part in told["parts"]} >= {"gateway", "signup", "postgres"}

    run = CliRunner().invoke(main, ["plan", "--check", str(costs.KEPT), "--json"])
    assert run.exit_code == 0, run.output
    assert all(set(held) >= {"per_s", "off_by"} for held in json.loads(run.output))
