"""What this device has of its chats and what it hands to its user. No I/O.

Pushes are hints that come fast; `sync` after each connect and `history` for each gap are the truth.
Frames go in, requests and events come out; time and chance are arguments. Always true, for any
order, repetition and loss of pushes, replies and connections: each chat's messages reach the user
once each, in order, without gaps, as an event or as what `send` returned; at most
`buffer_events_max` messages wait, more are let go and asked for again when there is room.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Raw, Struct

from hodhod import _models as models
from hodhod._catch_up import GAP_GRACE_S, PAUSE_S, CatchUp
from hodhod._chat_book import ChatBook
from hodhod._chat_log import ChatLog
from hodhod._event_queue import EventQueue
from hodhod._outbox import Outbox
from hodhod._receipts import Receipts
from hodhod_wire.codec import MSGPACK, InvalidFrame
from hodhod_wire.events import EventHeader, Message, Notice
from hodhod_wire.frames import (
    Chat,
    ChatDelta,
    ChatGone,
    ChatPush,
    EventPush,
    History,
    Page,
    PositionPush,
    Push,
    Resync,
    Sent,
    Sync,
    Synced,
    TypingPush,
)
from hodhod_wire.limits import ID_MAX, PAGE_EVENTS_MAX

BUFFER_EVENTS_MAX: Final = 1000  # five pages: enough to keep a fast reader busy
WITHHELD_MAX: Final = 10_000  # own messages of a chat remembered while the others' are not read


class Kept(Struct, frozen=True):
    """What the session file holds of one chat."""

    position: int | None
    """Handed over so far; `None` where the first sync has not told yet where the chat begins."""
    withheld: list[int] = []
    """Later messages that `send` returned, and that do not come as events."""
    is_gone: bool = False
    """The person left or was removed; who comes back goes on from here."""


class Session:
    """The chats of one user on one device."""

    def __init__(
        self,
        user: int,
        *,
        outbox: Outbox,
        kept: Mapping[int, Kept],
        knows_all: bool,
        dice: random.Random,
        buffer_events_max: int = BUFFER_EVENTS_MAX,
    ) -> None:
        self.user: Final = user
        self.outbox: Final = outbox
        self.receipts: Final = Receipts()
        self.knows_all = knows_all
        """A private chat that is not known here began after this device's last sync."""
        self.is_synced = False
        """A round was completed since the program started."""
        self._logs = {chat: ChatLog(one.position, one.withheld) for chat, one in kept.items()}
        self._catch_up = CatchUp(self._logs, dice)
        for chat in [chat for chat, log in self._logs.items() if not log.has_begun]:
            self._catch_up.look_up(chat)
        gone = [chat for chat, one in kept.items() if one.is_gone]
        self._book = ChatBook(user, familiar=kept, gone=gone)
        self._came_meanwhile: set[int] = set()
        self._queue = EventQueue()
        self._buffer_events_max = buffer_events_max
        self._buffered = 0
        self._unconfirmed: tuple[int, int] | None = None

    # --- the connection --------------------------------------------------------------------------

    def connected(self) -> None:
        """Events are pushed from here on; what was missed is synchronised."""
        self._catch_up.connected()

    def disconnected(self) -> None:
        """Whatever was asked will not be answered; whatever was sent is in doubt."""
        self._catch_up.disconnected()
        self.receipts.disconnected()
        self.outbox.disconnected()

    def next_request(self, now_s: float) -> Sync | History | None:
        """The one request to make now; its answer goes to `take_synced`, `take_page` or `fail`."""
        request = self._catch_up.next_request(now_s, self._room())
        if isinstance(request, Sync):
            self._came_meanwhile.clear()
        return request

    def next_due_s(self) -> float | None:
        """When `next_request` may have something to ask, if nothing happens before."""
        return self._catch_up.next_due_s(self._room())

    def _room(self) -> int:
        """How much to ask for; 0 until a page is worth it."""
        room = self._buffer_events_max - self._buffered
        return room if room >= min(PAGE_EVENTS_MAX, self._buffer_events_max // 2) else 0

    # --- what arrives ----------------------------------------------------------------------------

    def take_push(self, push: Push, now_s: float) -> None:
        """What the server tells unasked."""
        match push:
            case EventPush():
                self._take_event(push.event, now_s)
            case PositionPush():
                reached = {"delivered": push.delivered, "read": push.read}
                self._tell(self._book.reach(push.chat, push.user, **reached))
            case TypingPush():
                self._queue.add_typing(models.TypingSeen(chat=push.chat, user=push.user))
            case ChatPush():
                self.take_chat(push.chat, now_s)
            case ChatGone():
                self.take_gone(push.chat)
            case Resync():
                self._catch_up.resync(push.within_ms, now_s)
            case _:
                self._queue.add_told(push)

    def take_sent(self, client_id: int, sent: Sent, now_s: float) -> None:
        """The reply to a `send`."""
        pending = self.outbox.find(client_id)
        if pending is None:
            return  # its event was faster
        log = self._log(sent.chat)
        log.happened(sent.seq)
        message = models.Message(
            chat=sent.chat,
            seq=sent.seq,
            sender=self.user,
            client_id=client_id,
            at=sent.at,
            body=pending.body,
        )
        if self.outbox.acknowledge(message):
            self._withhold(log, sent.chat, sent.seq)
        self._catch_up.note_gap(sent.chat, now_s + GAP_GRACE_S)

    def take_synced(self, reply: Synced, now_s: float) -> None:
        """The answer to the `Sync` that `next_request` gave."""
        for delta in reply.chats:
            self._take_delta(delta, now_s)
        was_round = not self._catch_up.is_round_over
        asked = self._catch_up.answered(reply.next, reply.as_of)
        assert isinstance(asked, Sync)
        self._lose_unmentioned(asked, reply)
        if not was_round:
            self._drop_stranger(asked.after + 1)
        elif self._catch_up.is_round_over:
            self.is_synced = self.knows_all = True

    def take_page(self, page: Page, now_s: float) -> None:
        """The answer to the `History` that `next_request` gave."""
        asked = self._catch_up.answered()
        assert isinstance(asked, History)
        log = self._logs[asked.chat]
        before = log.received
        for event in _decode_all(page.events):
            self._take(log, event)
        did_help = log.received > before
        self._catch_up.renew_gap(asked.chat, now_s if did_help else now_s + PAUSE_S)

    def fail(self, now_s: float, retry_after_s: float | None, *, may_retry: bool) -> None:
        """What `next_request` gave was refused. For good: the chat is not ours any more."""
        is_one_chat = self._catch_up.is_round_over
        asked = self._catch_up.refused(now_s, retry_after_s)
        if may_retry or asked is None:
            return
        if isinstance(asked, History):
            self._buffered -= self._logs[asked.chat].forget_gap()
            self._catch_up.renew_gap(asked.chat, now_s)
        elif is_one_chat:
            self._catch_up.is_known(asked.after + 1)
            self._drop_stranger(asked.after + 1)

    def take_chat(self, chat: Chat, now_s: float) -> None:
        """A chat that was opened or asked for."""
        log = self._log(chat.chat)
        is_all_new = self.knows_all and chat.kind == "private"
        if not log.has_begun and (is_all_new or chat.last_seq == 0):
            log.start(0)
            self._catch_up.is_known(chat.chat)
        log.exists(chat.last_seq)
        self._skip_hidden(log, chat)
        self._came_meanwhile.add(chat.chat)
        self._see(chat)
        self._catch_up.note_gap(chat.chat, now_s)

    def take_gone(self, chat: int) -> None:
        """The person is not in the chat any more; what was ready of it is still handed over."""
        news = self._book.lose(chat)
        self._came_meanwhile.discard(chat)
        if chat in self._logs:
            self._buffered -= self._logs[chat].forget_gap()
            self._catch_up.renew_gap(chat, 0.0)
        if news is not None:
            self._queue.add_gone(news)

    def take_refused(self, refused: models.SendRefused) -> None:
        """A message nobody waits for was refused for good."""
        self._queue.add_refused(refused)

    # --- what the user gets ----------------------------------------------------------------------

    def next_event(self) -> models.Event | None:
        """Hand over the next event, and confirm the one before."""
        self.confirm()
        while self._queue:
            ready = self._queue.pop()
            event = self._hand_over(ready) if isinstance(ready, int) else ready
            if event is not None:
                return event
        return None

    def confirm(self) -> None:
        """The user is done with the event handed over last: after a crash it does not come back."""
        self._unconfirmed = None

    def read(self, chat: int, seq: int) -> None:
        """This device reports the chat as read: no news when the server repeats it."""
        self._book.reach(chat, self.user, delivered=seq, read=seq)

    def chats(self) -> list[models.Chat]:
        """The chats that were seen in full, by id."""
        return [self.chat(chat) for chat in sorted(self._logs) if chat in self._book]

    def chat(self, chat: int) -> models.Chat:
        """A chat that was seen in full. Raises `KeyError`."""
        return self._book.load(chat, self._logs[chat].last)

    def unseen_chats(self) -> list[int]:
        """The chats of which only the position is known."""
        unseen = (chat for chat in self._logs if chat not in self._book)
        return sorted(chat for chat in unseen if not self._book.is_gone(chat))

    def kept(self) -> dict[int, Kept]:
        """What to keep in the session file; an unconfirmed event counts as not handed over."""
        kept = {
            chat: Kept(log.position, log.withheld, self._book.is_gone(chat))
            for chat, log in self._logs.items()
            if log.has_begun or log.withheld
        }
        if self._unconfirmed is not None:
            chat, before = self._unconfirmed
            position = kept[chat].position or before
            passed = range(before + 2, position + 1)  # withheld, right behind the event
            withheld = [*passed, *kept[chat].withheld]
            kept[chat] = Kept(before, withheld, self._book.is_gone(chat))
        return kept

    # --- within ----------------------------------------------------------------------------------

    def _log(self, chat: int) -> ChatLog:
        """The chat's log; of one that was not heard of before, not begun."""
        if chat not in self._logs:
            self._logs[chat] = ChatLog(None)
            self._catch_up.look_up(chat)
        return self._logs[chat]

    def _take_event(self, data: Raw, now_s: float) -> None:
        event = _decode(data)
        if event is None:
            return
        log = self._logs.get(event.chat)
        if log is None:
            log = self._logs[event.chat] = ChatLog(0 if event.seq == 1 else None)
            self._catch_up.look_up(event.chat)
        log.happened(event.seq)
        self._take(log, event)
        self._catch_up.note_gap(event.chat, now_s + GAP_GRACE_S)

    def _take(self, log: ChatLog, event: Message | EventHeader) -> None:
        log.exists(event.seq)
        if isinstance(event, Message) and self._is_returned(event):
            self._withhold(log, event.chat, event.seq)
        elif log.is_new(event.seq) and self._has_room(log, event):
            message = event if isinstance(event, Message) else None
            self._buffered += message is not None
            if message is not None and isinstance(message.body, Notice):
                self._tell(self._book.note(message))
            self._queue.add_messages(event.chat, log.take(event.seq, message))

    def _is_returned(self, event: Message) -> bool:
        """A `send` of ours still waits for this message, and returns it."""
        if event.sender not in (self.user, 0) or self.outbox.find(event.client_id) is None:
            return False
        return self.outbox.acknowledge(models.message_from(event))

    def _has_room(self, log: ChatLog, event: Message | EventHeader) -> bool:
        """Half of the buffer is for what can be handed over, so that it always drains."""
        if log.is_next(event.seq):
            return self._buffered < self._buffer_events_max
        return isinstance(event, Message) and self._buffered < self._buffer_events_max // 2

    def _withhold(self, log: ChatLog, chat: int, seq: int) -> None:
        if len(log) >= WITHHELD_MAX:
            return  # it will come as an event, too
        was_ready = seq <= log.received
        before, ready = log.withhold(seq)
        self._queue.add_messages(chat, ready)
        if before is not None:
            self._buffered -= 1
            if was_ready:
                self._queue.drop_message(chat)

    def _take_delta(self, delta: ChatDelta, now_s: float) -> None:
        chat = delta.chat
        events = _decode_all(delta.events)
        log = self._log(chat.chat)
        if not log.has_begun:
            log.start(self._baseline(chat, events))
        self._skip_hidden(log, chat)
        for event in events:
            self._take(log, event)
        log.exists(chat.last_seq)
        self._see(chat)
        self._catch_up.is_known(chat.chat)
        self._catch_up.renew_gap(chat.chat, now_s)

    def _baseline(self, chat: Chat, events: Iterable[Message | EventHeader]) -> int:
        """Where a chat begins for this device: all of it, or what the first sync gives of it."""
        if self.knows_all and chat.kind == "private":
            return 0
        return min((event.seq - 1 for event in events), default=chat.last_seq)

    def _skip_hidden(self, log: ChatLog, chat: Chat) -> None:
        """Who comes (again) into a group may not see what was there before."""
        hidden = 0 if chat.me is None else chat.me.first_seq - 1
        if log.has_begun and hidden > log.received:
            self._queue.add_messages(chat.chat, log.skip_to(hidden))

    def _drop_stranger(self, chat: int) -> None:
        """Forget a chat that the server did not confirm as ours."""
        if chat in self._logs and not self._logs[chat].has_begun:
            del self._logs[chat]

    def _hand_over(self, chat: int) -> models.Message | None:
        """`None`: a `send` waits for this very message again, and returns it."""
        event = self._logs[chat].hand_over()
        self._buffered -= 1
        if self._is_returned(event):
            return None
        self._unconfirmed = (chat, event.seq - 1)
        self.receipts.handed_over(chat, event.seq, is_read=self._book.hand_over(event))
        return models.message_from(event)

    def _see(self, chat: Chat) -> None:
        for news in self._book.see(chat, knows_all=self.knows_all):
            self._tell(news)

    def _tell(self, news: models.ChatChanged | models.PositionChanged | None) -> None:
        if isinstance(news, models.ChatChanged):
            self._queue.add_changed(news)
        elif news is not None:
            self._queue.add_position(news)

    def _lose_unmentioned(self, asked: Sync, reply: Synced) -> None:
        """What a sync over all chats of a range does not name any more is gone."""
        if asked.since is not None:
            return
        end = reply.next or asked.until or ID_MAX
        named = {delta.chat.chat for delta in reply.chats} | self._came_meanwhile
        for position in asked.positions:
            if position.chat <= end and position.chat not in named:
                self.take_gone(position.chat)


def _decode(data: Raw) -> Message | EventHeader | None:
    """An event; `None` for bytes that are not even a position: the gap is asked for again."""
    try:
        return MSGPACK.decode_event(data)
    except InvalidFrame:
        return None


def _decode_all(events: Iterable[Raw]) -> list[Message | EventHeader]:
    return [event for event in map(_decode, events) if event is not None]
