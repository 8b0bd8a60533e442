"""`python -m tests.simulation`: replay one seed, or live through many.

--seed N [--trace]     one run, with what happened in it
--seeds COUNT [--seed FIRST]
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from tests.simulation import planted
from tests.simulation.run import Outcome, run_seed
from tests.simulation.sabotage import Sabotage

FAULTS: Final = {fault.__name__: fault for fault in planted.ALL}


def main() -> int:
    """The exit code is how many seeds failed, at most 100."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--plant", choices=sorted(FAULTS), help="a fault of planted.py")
    options = parser.parse_args()
    began_s = time.monotonic()
    sabotage = FAULTS.get(options.plant, Sabotage)
    failed = messages = 0
    for seed in range(options.seed, options.seed + options.seeds):
        outcome = run_seed(seed, sabotage=sabotage(), keeps_lines=options.trace)
        messages += outcome.messages
        failed += not outcome.is_good
        if options.trace:
            sys.stdout.write("\n".join(outcome.lines) + "\n")
        if options.seeds == 1 or not outcome.is_good:
            sys.stdout.write(describe(outcome) + "\n")
    took_s = time.monotonic() - began_s
    sys.stdout.write(
        f"{options.seeds} seeds, {messages} messages, {failed} failed, "
        f"{options.seeds / took_s:.0f} seeds/s\n"
    )
    return min(failed, 100)


def describe(outcome: Outcome) -> str:
    """One run in a few lines, with the command that repeats it."""
    quiet = outcome.quiet_after_s
    lines = [
        f"seed {outcome.seed}: {outcome.messages} messages, digest {outcome.digest}, "
        + ("never quiet" if quiet is None else f"quiet after {quiet:.0f} s"),
        *map(str, outcome.violations[:10]),
        *outcome.defects[:5],
    ]
    if not outcome.is_good:
        lines.append(f"replay: .venv/bin/python -m tests.simulation --seed {outcome.seed} --trace")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
