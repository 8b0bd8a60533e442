"""The classes of people, for a Locust master: `locust --master -f locustfile.py`.

What they do is done by `hodhod-loadtest locust-worker`; here they have their names only. A worker
of Locust's own that is given this file says so.
"""

from __future__ import annotations

from locust import User, task


class Chatter(User):
    """Online, and writes to one other: WS connect, WS acknowledged, WS message."""

    weight = 10

    @task
    def write(self) -> None:
        """Not here."""
        raise NotImplementedError("workers of this test are `hodhod-loadtest locust-worker`")


class Newcomer(User):
    """A place from which people come to sign up, one after the other: HTTP code, HTTP sign-up."""

    weight = 1

    @task
    def sign_up(self) -> None:
        """Not here."""
        raise NotImplementedError("workers of this test are `hodhod-loadtest locust-worker`")
