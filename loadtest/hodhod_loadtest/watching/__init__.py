"""How a run goes, while it goes: a picture in a terminal, a line now and then anywhere else.

Flow: the runner tells a `Moment` a second to a view (`view`), which remembers a few of them, so
that `telling` can say how fast things are; `picture` and `telling` are pure.
"""

from __future__ import annotations
