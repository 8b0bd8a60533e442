"""A run by several generator processes on one machine: one core is not always enough.

Flow: `coordinator` starts them, each with its `share` of what is due; each leaves its part of the
recording, and `merging` makes one of them. They share the moment of the start, and nothing else.
"""

from __future__ import annotations
