"""From what was measured to how many machines are needed: pure, with every assumption told.

Flow: `costs` reads figures by name from `docs/measurements`, `demand` says who does what how often,
`model` multiplies, `check` holds the model against rates that it was not given, `telling` prints.
"""

from __future__ import annotations
