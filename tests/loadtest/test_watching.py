"""What somebody who watches a run is told, in a terminal and without one."""

from __future__ import annotations

import io
import re

from rich.console import Console

from hodhod_loadtest.watching.moment import Moment, Waits
from hodhod_loadtest.watching.picture import picture
from hodhod_loadtest.watching.telling import line
from hodhod_loadtest.watching.view import LiveView, PlainView, watch

BEFORE = Moment(
    at_s=200.0,
    of_s=600.0,
    phase="surge",
    counts={"arrived.newcomers": 8000, "in.newcomers": 7000, "messages.received": 95_000},
)
NOW = Moment(
    at_s=205.0,
    of_s=600.0,
    phase="surge",
    counts={
        "arrived.newcomers": 9004, "in.newcomers": 8120,
        "messages.written": 100_020, "messages.received": 100_000,
        "refused.overloaded": 7, "error.timeout": 7, "refused.rate_limited": 40,
        "violation.lost": 1, "refused.never": 0,
    },
    waits={
        "message": Waits(4.6, 9.2, 12.31), "code": Waits(p95_ms=12_340.0), "signup": Waits(),
    },
    lag_p99_ms=0.6,
    lag_most_ms=2.0,
    happened="killed [gateway-1]",
)  # fmt: skip


def drawn(moment: Moment, width: int = 72) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(picture("surge_70k", moment, BEFORE))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_has_progress_speeds_waits_and_trouble() -> None:
    assert line(NOW, BEFORE) == (
        "3:25 of 10:00, ends in 6:35, surge; newcomers 9,004, in 8,120 (224/s);"
        " messages 100,020, received 100,000 (1,000/s); message p50 4.6 ms, p95 9.2 ms,"
        " p99 12.3 ms; code p95 12.3 s; trouble: rate_limited 40, timeout 7, overloaded 7, others 1"
    )


def test_a_picture_has_the_same_and_what_was_done_to_the_server() -> None:
    text = drawn(NOW)
    assert "surge_70k  3:25 of 10:00, ends in 6:35  surge" in text
    assert re.search(r"newcomers +9,004 +8,120 in +224\b", text)
    assert re.search(r"messages +100,020 +100,000 received +1,000\b", text)
    assert re.search(r"message +4.6 ms +9.2 ms +12.3 ms", text)
    assert re.search(r"code +– +12.3 s +–", text)
    assert "last: killed [gateway-1]" in text
    assert "generator late by 0.6 ms (at most 2)" in text
    assert "VOID" not in text
    assert all(len(row) <= 40 for row in drawn(NOW, width=40).splitlines())


def test_a_generator_that_is_late_is_told_as_what_voids_the_run() -> None:
    late = Moment(at_s=601.0, of_s=600.0, lag_p99_ms=3.14, lag_most_ms=2.0)
    assert line(late, late) == (
        "10:01 of 10:00, waits for the last ones; VOID: generator late by 3.1 ms (at most 2)"
    )
    assert "VOID: generator late by 3.1 ms" in drawn(late)


def test_without_a_terminal_a_line_comes_at_each_phase_and_every_ten_seconds() -> None:
    out = io.StringIO()
    with watch("chat", out) as view:
        assert isinstance(view, PlainView)
        for second in range(1, 36):
            view.show(
                Moment(
                    at_s=float(second),
                    of_s=30.0,
                    phase="warm" if second < 5 else "baseline",
                    counts={"messages.written": 100 * second, "messages.received": 90 * second},
                )
            )
        view.show(Moment(at_s=1.0, of_s=30.0, phase="baseline"))
    told = out.getvalue().splitlines()
    assert [row.split(" of ")[0] for row in told] == [
        "0:01",
        "0:05",
        "0:15",
        "0:25",
        "0:35",
        "0:01",
    ]
    assert "(0/s)" in told[0]
    assert "(90/s)" in told[2], "over the last five seconds"


def test_in_a_terminal_the_picture_is_drawn_over_itself() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with LiveView("chat", console) as view:
        view.show(BEFORE)
        view.say("the [control]")
        view.show(NOW)
    text = out.getvalue()
    assert "the [control]" in text
    assert "\x1b[1A" in text, "the cursor goes up again"
    assert re.search(r"newcomers +9,004 +8,120 in +224\b", text)
