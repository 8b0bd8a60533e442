"""`make bench`: how much a server does for its CPU, and how long people wait for one another.

Flow: `suite` picks measures; a measure starts a server of its own (`target`), puts load on it and
reads what the server's processes used (`accounting`); `figures` are what is told and written.
"""

from __future__ import annotations
