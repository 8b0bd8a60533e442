"""What is known of the chats themselves: who is in them, and how far each member is.

Positions come from snapshots, from pushes and from this device; the book keeps the furthest, and
tells what is news: neither what was known, nor what this device reported itself.
"""

from __future__ import annotations

from hodhod._models import Chat, Member, PositionChanged, chat_from
from hodhod_wire import frames


class ChatBook:
    """The chats that were seen in full, with the newest positions."""

    def __init__(self, me: int) -> None:
        self._me = me
        self._chats: dict[int, frames.Chat] = {}
        self._reached: dict[tuple[int, int], tuple[int, int]] = {}

    def __contains__(self, chat: int) -> bool:
        return chat in self._chats

    def see(self, chat: frames.Chat) -> list[PositionChanged]:
        """A snapshot. Returns the news in it; a first sight has none."""
        is_known = chat.chat in self._chats
        self._chats[chat.chat] = chat
        news = [
            self.reach(chat.chat, member.user, delivered=member.delivered, read=member.read)
            for member in chat.members
        ]
        return [one for one in news if one is not None and is_known]

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

    def load(self, chat: int, last_seq: int) -> Chat:
        """The chat in the user's form. Raises `KeyError` for one that was never seen."""
        snapshot = self._chats[chat]
        members = tuple(self._member(chat, member) for member in snapshot.members)
        return chat_from(snapshot, self._me, members, max(last_seq, snapshot.last_seq))

    def _member(self, chat: int, member: frames.Member) -> Member:
        delivered, read = self._reached.get((chat, member.user), (0, 0))
        return Member(user=member.user, name=member.name, delivered=delivered, read=read)
