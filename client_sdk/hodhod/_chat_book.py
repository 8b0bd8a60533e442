"""What is known of the chats themselves: what they are, who is in them, how far each member is.

Positions come from snapshots, from pushes and from this device; the book keeps the furthest. A chat
comes as a snapshot, and notices in its log change it until the next. The book tells what is news:
neither what was known, nor what this device reported itself. Always true, in whatever order
snapshots and notices come: of each setting the book has the newest value that came.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from hodhod._models import Chat, ChatChanged, ChatGone, Member, PositionChanged, chat_from
from hodhod_wire import events, frames

News = PositionChanged | ChatChanged


class ChatBook:
    """The chats that were seen in full, with the newest positions, and those that are gone."""

    def __init__(self, me: int, *, familiar: Iterable[int] = (), gone: Iterable[int] = ()) -> None:
        self._me = me
        self._chats: dict[int, frames.Chat] = {}
        self._reached: dict[tuple[int, int], tuple[int, int]] = {}
        self._changed_at: dict[int, dict[str, int]] = {}
        self._early: dict[int, list[events.Message]] = {}  # before the first snapshot
        self._gone = set(gone)
        self._familiar = set(familiar) - self._gone

    def __contains__(self, chat: int) -> bool:
        return chat in self._chats

    def see(self, snapshot: frames.Chat, *, knows_all: bool) -> list[News]:
        """A snapshot. Returns the news in it; where all chats are known, a new one is news."""
        number, before = snapshot.chat, self._chats.get(snapshot.chat)
        if before is None or snapshot.last_seq >= before.last_seq:  # not overtaken by another
            self._chats[number] = self._with_later_notices(snapshot)
        for event in self._early.pop(number, []):
            self.note(event)
        positions = self._take_positions(snapshot)
        is_new = knows_all and number not in self._familiar
        self._familiar.add(number)
        self._gone.discard(number)
        news: list[News] = [] if before is None else [*positions]
        if is_new and snapshot.me is not None:
            return [self._changed(number, is_new=True), *news]
        if before is not None and _may_differ(before, self._chats[number]):
            return [self._changed(number), *news]
        return news

    def note(self, event: events.Message) -> ChatChanged | None:
        """A notice of a log; to be told once of each. Returns what it changes for the person."""
        before = self._chats.get(event.chat)
        if before is None:
            self._early.setdefault(event.chat, []).append(event)
            return None
        if event.seq <= before.last_seq:
            return None  # the snapshot has it
        changed_at = self._changed_at.setdefault(event.chat, {})
        newest = {
            name: value
            for name, value in _changes(before, event.body).items()
            if name == "member_count" or event.seq > changed_at.get(name, 0)
        }
        for name in newest:
            changed_at[name] = max(event.seq, changed_at.get(name, 0))
        after = structs.replace(before, **newest)
        self._chats[event.chat] = _with_rights(after) if "default_permissions" in newest else after
        is_news = _may_differ(before, self._chats[event.chat])
        return self._changed(event.chat) if is_news else None

    def lose(self, chat: int) -> ChatGone | None:
        """The person is not in it any more. Returns the news, `None` if it was known."""
        if chat in self._gone or chat not in self._familiar:
            return None
        self._gone.add(chat)
        self._familiar.discard(chat)
        self._chats.pop(chat, None)
        self._changed_at.pop(chat, None)
        self._early.pop(chat, None)
        return ChatGone(chat=chat)

    def is_gone(self, chat: int) -> bool:
        """The person was in it and is not any more."""
        return chat in self._gone

    def reach(
        self, chat: int, user: int, *, delivered: int = 0, read: int = 0
    ) -> PositionChanged | None:
        """A member has the chat this far. Returns the news, `None` if it was known."""
        before = self._reached.get((chat, user), (0, 0))
        after = (max(before[0], delivered), max(before[1], read))
        if after == before:
            return None
        self._reached[chat, user] = after
        return PositionChanged(chat=chat, user=user, delivered=after[0], read=after[1])

    def hand_over(self, event: events.Message) -> bool:
        """This device has it. True: it is nothing to look at, all before it was read, so it is."""
        _, read = self._reached.get((event.chat, self._me), (0, 0))
        is_read = isinstance(event.body, events.MediaReady) and read >= event.seq - 1
        self.reach(event.chat, self._me, delivered=event.seq, read=event.seq if is_read else 0)
        return is_read

    def load(self, chat: int, last_seq: int) -> Chat:
        """The chat in the user's form. Raises `KeyError` for one that was never seen."""
        snapshot = self._chats[chat]
        members = tuple(self._member(chat, member) for member in snapshot.members)
        if snapshot.me is not None:
            delivered, read = self._reached.get((chat, self._me), (0, 0))
            me = structs.replace(snapshot.me, delivered=delivered, read=read)
            snapshot = structs.replace(snapshot, me=me)
        return chat_from(snapshot, self._me, members, max(last_seq, snapshot.last_seq))

    def _member(self, chat: int, member: frames.Member) -> Member:
        delivered, read = self._reached.get((chat, member.user), (0, 0))
        return Member(user=member.user, name=member.name, delivered=delivered, read=read)

    def _take_positions(self, chat: frames.Chat) -> list[PositionChanged]:
        known = {member.user: (member.delivered, member.read) for member in chat.members}
        if chat.me is not None:
            known[self._me] = (chat.me.delivered, chat.me.read)
        news = [
            self.reach(chat.chat, user, delivered=delivered, read=read)
            for user, (delivered, read) in known.items()
        ]
        return [one for one in news if one is not None]

    def _changed(self, chat: int, *, is_new: bool = False) -> ChatChanged:
        return ChatChanged(chat=self.load(chat, 0), is_new=is_new)

    def _with_later_notices(self, snapshot: frames.Chat) -> frames.Chat:
        """What notices beyond the snapshot have told stays."""
        present = self._chats.get(snapshot.chat)
        changed_at = self._changed_at.pop(snapshot.chat, {})
        later = {name: seq for name, seq in changed_at.items() if seq > snapshot.last_seq}
        if present is None or not later:
            return snapshot
        self._changed_at[snapshot.chat] = later
        kept = {name: getattr(present, name) for name in later}
        later_chat = structs.replace(snapshot, **kept)
        return _with_rights(later_chat) if "default_permissions" in later else later_chat


def _changes(chat: frames.Chat, body: events.Content) -> dict[str, object]:
    """The settings that a notice gives anew."""
    match body:
        case events.Joined():
            return {"member_count": chat.member_count + len(body.users)}
        case events.Left() | events.Removed():
            return {"member_count": chat.member_count - 1}
        case events.Changed():
            given = {name: getattr(body, name) for name in body.__struct_fields__}
            return {name: value for name, value in given.items() if value is not None}
        case _:
            return {}


def _with_rights(chat: frames.Chat) -> frames.Chat:
    """The caller's permissions as they follow from everybody's."""
    me, default = chat.me, chat.default_permissions
    if me is None or me.role == "owner":
        return chat
    own = me.own_permissions
    if me.role == "admin":
        permissions = [*default, *(one for one in own or [] if one not in default)]
    else:
        permissions = [one for one in default if own is None or one in own]
    return structs.replace(chat, me=structs.replace(me, permissions=permissions))


def _may_differ(before: frames.Chat, after: frames.Chat) -> bool:
    """What the caller is or may do is another than before."""
    return _standing(before.me) != _standing(after.me)


def _standing(me: frames.OwnMembership | None) -> tuple[str, frozenset[str], int | None] | None:
    return None if me is None else (me.role, frozenset(me.permissions), me.muted_until)
