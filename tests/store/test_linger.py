"""The wait before a commit: where it saves work, and nowhere else."""

from __future__ import annotations

from hodhod_server.store.linger import ROWS_ENOUGH, Linger

LONGEST_S = 0.003


def at_rate(rate_per_s: float, *, batch_s: float = 0.01) -> Linger:
    """After two seconds of arrivals at a steady rate."""
    linger = Linger(LONGEST_S)
    for number in range(1, round(2 / batch_s) + 1):
        linger.took(round(rate_per_s * batch_s), number * batch_s)
    return linger


def test_a_lone_message_waits_for_nobody() -> None:
    assert Linger(LONGEST_S).wait_s(1) == 0
    assert at_rate(100).wait_s(1) == 0


def test_a_few_messages_wait_for_company_where_it_is_likely() -> None:
    assert at_rate(1000).wait_s(1) == LONGEST_S
    assert at_rate(10_000).wait_s(ROWS_ENOUGH - 1) == LONGEST_S


def test_what_gathered_during_the_last_commit_goes_at_once() -> None:
    assert at_rate(10_000).wait_s(ROWS_ENOUGH) == 0


def test_after_a_quiet_time_the_first_message_waits_for_nobody() -> None:
    linger = at_rate(1000)
    linger.took(1, 60.0)
    assert linger.wait_s(1) == 0


def test_a_longest_wait_of_nothing_is_never_waited() -> None:
    linger = Linger(0.0)
    linger.took(1000, 0.1)
    assert linger.wait_s(1) == 0
