"""The outbox: what to send, and when to look again."""

from __future__ import annotations

from hodhod._outbox import Outbox, Pending
from hodhod_wire.events import Text


def outbox_of(*chats: int) -> Outbox:
    """Messages 1, 2, 3 … in these chats."""
    return Outbox(
        Pending(client_id=number, chat=chat, body=Text("hi"))
        for number, chat in enumerate(chats, 1)
    )


def names(outbox: Outbox, now_s: float) -> list[int]:
    return [one.client_id for one in outbox.due(now_s)]


def test_a_message_whose_rest_is_over_does_not_overtake_an_older_one_that_rests() -> None:
    outbox = outbox_of(1, 1, 2)
    outbox.rest(1, 20.0)
    outbox.rest(2, 10.0)
    outbox.rest(3, 30.0)
    assert names(outbox, 15.0) == []
    assert outbox.next_due_s() == 20.0, "looking before would find nothing, again and again"
    assert names(outbox, 20.0) == [1, 2]


def test_what_is_not_saved_yet_is_not_waited_for_by_the_clock() -> None:
    outbox = outbox_of(2)
    outbox.add(Pending(client_id=7, chat=1, body=Text("hi")))
    assert outbox.next_due_s() is None
    outbox.rest(1, 5.0)
    assert outbox.next_due_s() == 5.0
