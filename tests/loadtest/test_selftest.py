"""The generator's self-test runs through; its figures are for a quiet machine, not for a test."""

from __future__ import annotations

import asyncio

import uvloop

from hodhod_loadtest.selftest.measure import Finding, Size, measure


def test_everybody_comes_in_at_the_stub_and_every_figure_is_taken() -> None:
    size = Size(requests=1280, waiting=256, connected=256, journeys=60, per_s=60)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        findings = {finding.name: finding for finding in runner.run(measure(size))}
    assert len(findings) == 6
    assert findings["share of people who are in"].is_kept
    assert findings["memory of one who is connected, KiB"].measured < 40.0  # pages, of so few
    assert all(finding.measured > 0 for name, finding in findings.items() if "KiB" not in name)


def test_a_figure_is_held_to_its_bound() -> None:
    assert Finding("", 8.0, 8.0, is_most=True).is_kept
    assert not Finding("", 8.0, 8.1, is_most=True).is_kept
    assert Finding("", 8.0, 8.1).is_kept
    assert not Finding("", 8.0, 7.9).is_kept
