"""What is known of a chat when snapshots and notices come in an unlucky order."""

from __future__ import annotations

from hodhod import Changed, ChatChanged, ChatGone, Joined, Left, PositionChanged, Text
from hodhod._chat_book import ChatBook
from hodhod_wire.events import Content, Message
from hodhod_wire.frames import Chat, OwnMembership

ME = 7


def seen(last_seq: int, *, title: str = "old", role: str = "member", count: int = 2) -> Chat:
    """A snapshot of chat 1."""
    me = OwnMembership(role=role, permissions=["post"], read=last_seq)
    default = ["post"]
    return Chat(
        chat=1,
        kind="group",
        title=title,
        last_seq=last_seq,
        member_count=count,
        default_permissions=default,
        me=me,
    )


def at(seq: int, body: Content) -> Message:
    return Message(chat=1, seq=seq, sender=8, client_id=seq, at=1, body=body)


def book_with(snapshot: Chat) -> ChatBook:
    book = ChatBook(ME)
    assert book.see(snapshot, knows_all=False) == []
    return book


def test_a_later_notice_wins_whenever_it_comes() -> None:
    book = book_with(seen(1))
    book.note(at(3, Changed(title="newest")))
    book.note(at(2, Changed(title="newer")))
    assert book.load(1, 3).title == "newest"


def test_a_snapshot_that_was_overtaken_takes_nothing_back() -> None:
    book = book_with(seen(1))
    book.note(at(5, Changed(title="newest")))
    book.see(seen(4, title="older", count=9), knows_all=True)
    chat = book.load(1, 5)
    assert (chat.title, chat.member_count) == ("newest", 9)
    book.see(seen(3, title="oldest"), knows_all=True)
    assert book.load(1, 5).member_count == 9
    book.see(seen(6, title="renamed again"), knows_all=True)
    assert book.load(1, 6).title == "renamed again"


def test_a_notice_before_the_first_snapshot_counts() -> None:
    book = ChatBook(ME)
    assert book.note(at(2, Changed(title="new"))) is None
    assert book.note(at(3, Text("no notice"))) is None
    book.see(seen(1), knows_all=False)
    assert book.load(1, 3).title == "new"


def test_a_notice_that_a_snapshot_has_counts_once() -> None:
    book = book_with(seen(3, count=5))
    book.note(at(2, Joined([9, 10])))
    assert book.load(1, 3).member_count == 5
    book.note(at(4, Joined([11])))
    book.note(at(5, Left(9)))
    book.note(at(6, Left(10)))
    assert book.load(1, 6).member_count == 4


def test_permissions_follow_from_everybodys_by_role() -> None:
    for role, expected in (("member", ()), ("owner", ("post",))):
        book = book_with(seen(1, role=role))
        told = book.note(at(2, Changed(default_permissions=[])))
        assert (told is not None) == (role == "member")
        me = book.load(1, 2).me
        assert me is not None
        assert me.permissions == expected


def test_coming_and_going_is_told_once() -> None:
    book = ChatBook(ME)
    [came] = book.see(seen(1), knows_all=True)
    assert isinstance(came, ChatChanged)
    assert came.is_new
    assert book.see(seen(1), knows_all=True) == []
    assert book.lose(1) == ChatGone(chat=1)
    assert book.lose(1) is None
    assert book.is_gone(1)
    [back] = book.see(seen(2), knows_all=True)
    assert isinstance(back, ChatChanged)
    assert back.is_new
    assert not book.is_gone(1)


def test_what_another_device_read_is_news() -> None:
    book = book_with(seen(1))
    [news] = book.see(seen(4), knows_all=True)
    assert news == PositionChanged(chat=1, user=ME, delivered=0, read=4)
