"""Cases of the session that chance meets too rarely, and what it asks for when."""

from __future__ import annotations

import random

import pytest
from msgspec import Raw, structs

from hodhod import Message, PositionChanged, Text, TypingSeen, _catch_up
from hodhod import _models as models
from hodhod._event_queue import HINTS_MAX
from hodhod._outbox import Outbox, Pending
from hodhod._session import Kept, Session
from hodhod.testing._logs import FakeChat, Logs, encoded
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import EventHeader
from hodhod_wire.frames import (
    Chat,
    ChatDelta,
    ChatGone,
    ChatPush,
    EventPush,
    History,
    OwnMembership,
    Position,
    PositionPush,
    Resync,
    Sent,
    Sync,
    Synced,
    TypingPush,
)
from hodhod_wire.limits import POSITIONS_MAX

ME, OTHER = 7, 8


def new_session(
    kept: dict[int, Kept] | None = None, *, knows_all: bool = True, outbox: Outbox | None = None
) -> Session:
    return Session(
        ME,
        outbox=outbox or Outbox(),
        kept=kept or {},
        knows_all=knows_all,
        dice=random.Random(5),
    )


def server_with(*chats: int) -> Logs:
    logs = Logs()
    logs.names = {ME: "Sara", OTHER: "Reza"}
    logs.chats = {chat: FakeChat(chat, {ME: [0, 0], OTHER: [0, 0]}) for chat in chats}
    return logs


def written(logs: Logs, chat: int, sender: int = OTHER) -> EventPush:
    """A new message, as it is pushed."""
    number = sum(len(one.log) for one in logs.chats.values()) + 1
    return EventPush(event=encoded(logs.append(chat, sender, number, Text(f"text {number}"), 1)))


def answer(session: Session, logs: Logs, now_s: float = 0.0) -> None:
    """Answer all requests that are due."""
    while (request := session.next_request(now_s)) is not None:
        if isinstance(request, Sync):
            session.take_synced(logs.sync(request, ME), now_s)
        else:
            session.take_page(logs.history(request), now_s)


def texts(session: Session) -> list[str]:
    found: list[str] = []
    while (event := session.next_event()) is not None:
        if isinstance(event, Message):
            found.append(event.text)
    return found


def test_thousands_of_chats_are_synchronised_in_slices_of_a_hundred() -> None:
    chats = list(range(2, 502, 2))
    session = new_session({chat: Kept(0) for chat in chats})
    session.connected()
    asked = answer_round(session)
    assert [(one.after, one.until, len(one.positions)) for one in asked] == [
        (0, 200, 100),
        (200, 400, 100),
        (400, None, 50),
    ]
    assert session.is_synced


def answer_round(session: Session, as_of: int | None = None) -> list[Sync]:
    """What is asked in a round in which nothing is new."""
    asked: list[Sync] = []
    while isinstance(request := session.next_request(0.0), Sync):
        asked.append(request)
        named = [] if request.since else request.positions
        chats = [Chat(chat=one.chat, kind="private", last_seq=one.seq) for one in named]
        deltas = [ChatDelta(chat=chat) for chat in chats]
        session.take_synced(Synced(ref=1, chats=deltas, as_of=as_of), 0.0)
    return asked


def test_the_next_round_is_about_what_changed_since_the_last_whole_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_catch_up, "SINCE_CHATS_MIN", 1)
    session = new_session({chat: Kept(0) for chat in range(1, 151)})
    session.connected()
    session.next_request(0.0)
    session.take_synced(Synced(ref=1, chats=[], as_of=70, next=100), 0.0)
    session.disconnected()  # before the second page
    session.connected()
    assert [one.since for one in answer_round(session, 80)] == [None, None]
    session.connected()
    (asked,) = answer_round(session, 90)
    assert (asked.since, len(asked.positions)) == (80, 150)
    session.connected()
    (asked,) = answer_round(session)
    assert asked.since == 90
    session.connected()
    assert answer_round(session)[0].since is None  # the server of the last one told none


def test_with_many_chats_only_the_liveliest_positions_are_told() -> None:
    session = new_session({chat: Kept(7) for chat in range(1, 3001)})
    session.connected()
    answer_round(session, 80)
    session.take_push(EventPush(event=Raw(MSGPACK.encode(EventHeader(2500, 8)))), 0.0)
    session.connected()
    (asked,) = answer_round(session)
    assert Position(chat=2500, seq=8) in asked.positions
    assert len(asked.positions) == POSITIONS_MAX


def test_a_page_of_a_sync_is_followed_by_the_next() -> None:
    session, logs = new_session(), server_with(*range(1, 9))
    for chat in logs.chats:
        written(logs, chat)
    session.connected()
    answer(session, logs)
    assert texts(session) == [f"text {number}" for number in range(1, 9)]
    assert [chat.id for chat in session.chats()] == list(range(1, 9))


def test_a_link_that_breaks_before_the_answer_is_asked_for_less_until_it_holds() -> None:
    session, limits = new_session({1: Kept(0)}), []
    for _ in range(9):
        session.connected()
        limits.append(asked_limit(session))
        session.disconnected()
    assert limits == [None, 128, 64, 32, 16, 8, 4, 2, 1]
    session.connected()
    for expected in (1, 2, 4, 8, 16, 32, 64, 128, None):
        assert asked_limit(session) == expected
        session.take_synced(Synced(ref=1, chats=[], next=1), 0.0)


def asked_limit(session: Session) -> int | None:
    request = session.next_request(0.0)
    assert isinstance(request, Sync)
    return request.limit


def test_a_gap_gets_a_moment_to_close_by_itself() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    first, second = written(logs, 1), written(logs, 1)
    session.take_push(second, 10.0)
    assert session.next_request(10.1) is None
    assert session.next_due_s() == 10.25
    session.take_push(first, 10.2)
    assert session.next_due_s() is None
    assert texts(session) == ["text 1", "text 2"]
    written(logs, 1)
    session.take_push(written(logs, 1), 20.0)
    assert session.next_request(20.3) == History(chat=1, after=2, limit=200)


def test_an_answer_that_does_not_help_is_not_asked_for_at_once_again() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    written(logs, 1)
    session.take_push(written(logs, 1), 0.0)
    request = session.next_request(1.0)
    assert isinstance(request, History)
    session.take_page(logs.history(History(chat=1, after=9)), 1.0)
    assert session.next_request(2.9) is None
    answer(session, logs, 3.1)
    assert texts(session) == ["text 1", "text 2"]


def test_a_resync_comes_at_a_random_moment_of_the_time_given() -> None:
    moments = []
    for seed in range(50):
        session = Session(ME, outbox=Outbox(), kept={}, knows_all=True, dice=random.Random(seed))
        session.connected()
        answer(session, server_with())
        session.take_push(Resync(within_ms=4000), 100.0)
        due_s = session.next_due_s()
        assert due_s is not None
        assert session.next_request(due_s - 0.001) is None
        assert isinstance(session.next_request(due_s), Sync)
        moments.append(due_s)
    assert min(moments) < 100.5
    assert max(moments) > 103.5
    assert max(moments) <= 104.0


def test_a_first_sync_gives_the_last_events_and_later_ones_everything() -> None:
    session, logs = new_session(knows_all=False), server_with(1)
    for _ in range(9):
        written(logs, 1)
    session.connected()
    answer(session, logs)
    assert texts(session) == ["text 7", "text 8", "text 9"]
    session.disconnected()
    logs.chats[2] = FakeChat(2, {ME: [0, 0], OTHER: [0, 0]})
    for _ in range(9):
        written(logs, 2)
    session.connected()
    answer(session, logs)
    assert texts(session) == [f"text {number}" for number in range(10, 19)]


def test_what_was_sent_before_the_first_sync_leaves_no_hole() -> None:
    session, logs = new_session(knows_all=False), server_with(1)
    session.connected()
    send(session, logs, 1, 100)
    for _ in range(9):
        written(logs, 1)
    answer(session, logs)
    assert texts(session) == [f"text {number}" for number in range(2, 11)]


def send(session: Session, logs: Logs, chat: int, client_id: int) -> None:
    """A message of this device, acknowledged to its writer."""
    pending = Pending(client_id=client_id, chat=chat, body=Text("mine"))
    session.outbox.add(pending)
    session.outbox.release(client_id)
    message = logs.append(chat, ME, client_id, pending.body, 1)
    session.take_sent(client_id, Sent(ref=1, chat=chat, seq=message.seq, at=1), 0.0)
    assert session.outbox.returned.popleft() == Message(
        chat=chat, seq=message.seq, sender=ME, client_id=client_id, at=1, body=pending.body
    )


def test_own_messages_right_behind_the_event_in_work_are_not_told_after_a_crash() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    session.take_push(written(logs, 1), 0.0)
    send(session, logs, 1, 100)
    send(session, logs, 1, 101)
    assert isinstance(session.next_event(), Message)
    kept = session.kept()
    assert kept == {1: Kept(0, [2, 3])}
    again = new_session(kept)
    again.connected()
    answer(again, logs)
    assert texts(again) == ["text 1"]
    assert again.kept() == {1: Kept(3)}


def test_events_of_a_later_version_are_passed_over() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    session.take_push(EventPush(event=Raw(MSGPACK.encode(EventHeader(1, 1)))), 0.0)
    session.take_push(EventPush(event=Raw(b"\xc1")), 0.0)
    logs.append(1, OTHER, 50, Text("of a later version"), 1)
    session.take_push(written(logs, 1), 0.0)
    assert texts(session) == ["text 2"]
    assert session.kept() == {1: Kept(2)}


def test_a_chat_that_is_not_ours_is_forgotten() -> None:
    session, logs = new_session(), server_with(1)
    stranger = server_with(9)
    written(stranger, 9)
    session.connected()
    answer(session, logs)
    session.take_push(written(stranger, 9), 0.0)
    answer(session, logs)
    assert session.next_due_s() is None
    assert session.kept() == {1: Kept(0)}


def test_a_chat_that_is_refused_is_not_asked_for_again() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    written(logs, 1)
    session.take_push(written(logs, 1), 0.0)
    assert isinstance(session.next_request(1.0), History)
    session.fail(1.0, None, may_retry=False)
    assert session.next_request(100.0) is None
    assert session.next_due_s() is None


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks() -> None:
    session, logs = new_session(), server_with(1)
    session.connected()
    assert session.next_request(0.0) is not None
    session.fail(0.0, 7.0, may_retry=True)
    assert session.next_request(6.9) is None
    assert session.next_due_s() == 7.0
    answer(session, logs, 7.0)
    assert session.is_synced


def test_hints_are_bounded_and_the_newest_position_counts() -> None:
    session = new_session()
    for seq in range(1, 5):
        session.take_push(PositionPush(chat=1, user=OTHER, delivered=seq, read=0), 0.0)
    for _ in range(HINTS_MAX + 10):
        session.take_push(TypingPush(chat=1, user=OTHER), 0.0)
    assert session.next_event() == PositionChanged(chat=1, user=OTHER, delivered=4, read=0)
    hints = 0
    while isinstance(session.next_event(), TypingSeen):
        hints += 1
    assert hints == HINTS_MAX - 1


def test_what_is_known_is_no_news() -> None:
    session = new_session()
    session.read(1, 5)
    session.take_push(PositionPush(chat=1, user=ME, delivered=5, read=5), 0.0)
    session.take_push(PositionPush(chat=1, user=ME, delivered=4, read=0), 0.0)
    assert session.next_event() is None
    session.take_push(PositionPush(chat=1, user=ME, delivered=6, read=5), 0.0)
    assert session.next_event() == PositionChanged(chat=1, user=ME, delivered=6, read=5)


def group(last_seq: int, first_seq: int) -> Chat:
    me = OwnMembership(role="member", first_seq=first_seq)
    return Chat(chat=1, kind="group", title="کوه", last_seq=last_seq, me=me)


def test_what_is_hidden_from_a_newcomer_is_not_waited_for() -> None:
    session, logs = new_session({1: Kept(0)}), server_with(1)
    session.connected()
    answer(session, logs)
    session.take_push(written(logs, 1), 1.0)
    session.take_push(ChatGone(chat=1), 2.0)
    for _ in range(3):
        written(logs, 1)
    last = written(logs, 1)
    session.take_push(ChatPush(chat=group(last_seq=5, first_seq=5)), 3.0)
    session.take_push(last, 3.0)
    assert session.next_due_s() is None
    assert texts(session) == ["text 1", "text 5"]
    assert session.kept() == {1: Kept(5)}
    assert session.chat(1).title == "کوه"


def test_a_chat_that_a_sync_does_not_name_any_more_is_gone() -> None:
    session, logs = new_session({1: Kept(0), 2: Kept(0)}), server_with(1, 2)
    session.connected()
    answer(session, logs)
    del logs.chats[1]
    session.take_push(Resync(), 1.0)
    answer(session, logs, 1.0)
    assert session.next_event() == models.ChatGone(chat=1)
    assert session.next_event() is None
    assert [chat.id for chat in session.chats()] == [2]
    assert session.unseen_chats() == []
    assert session.kept()[1] == Kept(0, [], is_gone=True)
    again = new_session(session.kept())
    assert again.unseen_chats() == [2]


def test_a_chat_that_came_while_a_sync_was_under_way_is_not_gone() -> None:
    session = new_session({1: Kept(0)})
    session.connected()
    assert isinstance(session.next_request(0.0), Sync)
    session.take_push(ChatPush(chat=group(last_seq=0, first_seq=1)), 0.0)
    session.take_synced(Synced(ref=1, chats=[]), 0.0)
    assert [chat.id for chat in session.chats()] == [1]


def test_news_of_a_chat_wait_as_one_and_going_comes_last() -> None:
    session, logs = new_session(), server_with(2)
    session.connected()
    answer(session, logs)
    chat = group(last_seq=0, first_seq=1)
    session.take_push(ChatPush(chat=chat), 0.0)
    muted = structs.replace(chat, me=OwnMembership(role="member", muted_until=9))
    session.take_push(ChatPush(chat=muted), 0.0)
    session.take_push(written(logs, 2), 0.0)
    changed = session.next_event()
    assert isinstance(changed, models.ChatChanged)
    assert changed.is_new
    assert changed.chat.me is not None
    assert changed.chat.me.muted_until == 9
    session.take_push(ChatPush(chat=chat), 0.0)
    session.take_push(written(logs, 2), 0.0)
    session.take_push(ChatGone(chat=1), 0.0)
    assert isinstance(session.next_event(), Message)
    assert isinstance(session.next_event(), Message)
    assert session.next_event() == models.ChatGone(chat=1)


def test_a_device_that_slept_through_it_skips_what_is_hidden() -> None:
    session, logs = new_session({1: Kept(2)}), server_with(1)
    for _ in range(9):
        written(logs, 1)
    session.connected()
    assert isinstance(session.next_request(0.0), Sync)
    events = [encoded(message) for message in logs.chats[1].log[7:]]
    delta = ChatDelta(chat=group(last_seq=9, first_seq=8), events=events)
    session.take_synced(Synced(ref=1, chats=[delta]), 0.0)
    assert session.next_due_s() is None
    assert texts(session) == ["text 8", "text 9"]
