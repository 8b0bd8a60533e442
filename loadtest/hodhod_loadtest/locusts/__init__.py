"""A worker of Locust's, without Locust: its master's page, CSV and report work with our people.

Flow: `worker` obeys a master (`protocol`), `people` come and go as it says and act on schedule
(`stream`), and what came of it is told in Locust's own counts (`tally`).
"""

from __future__ import annotations
