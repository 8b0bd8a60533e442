"""The law of the session: each message once, in order, without gaps, whatever the network does.

Hypothesis writes, loses, repeats, delays, cuts and crashes; the ledger holds what the user got.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hodhod import _models as models
from hodhod._outbox import Outbox, Pending
from hodhod._session import Kept, Session
from hodhod.testing._logs import FakeChat, Logs, encoded
from hodhod_wire.events import Message, Text
from hodhod_wire.frames import EventPush, History, Resync, Sent, Sync

ME, OTHER = 7, 8
CHATS = st.integers(1, 3)
KINDS = {3: "group"}
PICK = st.integers(0, 10_000)
Answer = Callable[..., None]


class Law(RuleBasedStateMachine):
    """One device against a server, over a connection that does as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Logs()
        self.server.names = {ME: "Sara", OTHER: "Reza"}
        self.now_s = 1000.0
        self.next_client_id = 1
        self.is_connected = False
        self.pushes: list[Message] = []
        self.request: Sync | History | None = None
        self.answer: Answer | None = None
        self.replies: list[Answer] = []
        self.ledger: dict[int, dict[int, int]] = {}
        self.given_up: dict[int, Pending] = {}
        self.first_event: dict[int, int] = {}
        self.last_event: dict[int, int] = {}
        self.in_hand: models.Message | None = None
        self.has_read_all = False

    @initialize(is_newcomer=st.booleans(), before=st.lists(CHATS, max_size=20))
    def start(self, is_newcomer: bool, before: list[int]) -> None:
        self.is_newcomer = is_newcomer
        self.session = self._session(Outbox(), {}, is_newcomer)
        if not is_newcomer:
            for chat in before:
                self._open(chat)
                self._write(chat, OTHER)

    def _session(self, outbox: Outbox, kept: dict[int, Kept], knows_all: bool) -> Session:
        dice = random.Random(1)
        return Session(
            ME, outbox=outbox, kept=kept, knows_all=knows_all, dice=dice, buffer_events_max=6
        )

    def _client_id(self) -> int:
        self.next_client_id += 1
        return self.next_client_id

    def _open(self, chat: int) -> None:
        kind, members = KINDS.get(chat, "private"), {ME: [0, 0], OTHER: [0, 0]}
        self.server.chats.setdefault(chat, FakeChat(chat, members, kind=kind))

    def _write(self, chat: int, sender: int) -> Message:
        client_id = self._client_id()
        return self.server.append(chat, sender, client_id, Text(f"text {client_id}"), 1)

    # --- what people do ---

    @rule(chat=CHATS, mine=st.booleans(), count=st.integers(1, 4))
    def somebody_writes(self, chat: int, mine: bool, count: int) -> None:
        self._open(chat)
        for _ in range(count):
            message = self._write(chat, ME if mine else OTHER)
            if self.is_connected:
                self.pushes.append(message)

    @rule(chat=CHATS, count=st.integers(1, 3), is_sent=st.booleans())
    def this_device_writes(self, chat: int, count: int, is_sent: bool) -> None:
        self._open(chat)
        for _ in range(count):
            pending = Pending(client_id=self._client_id(), chat=chat, body=Text("from here"))
            self.session.outbox.add(pending)
            self.session.outbox.release(pending.client_id)
        if is_sent and self.is_connected:
            self.the_outbox_is_sent(0)

    @precondition(lambda self: self.session.outbox.pending)
    @rule(pick=PICK)
    def the_writer_gives_up_waiting(self, pick: int) -> None:
        pending = self.session.outbox.pending
        given_up = pending[pick % len(pending)]
        self.session.outbox.abandon(given_up.client_id)
        self.given_up[given_up.client_id] = given_up

    @precondition(lambda self: self.given_up)
    @rule(pick=PICK)
    def the_writer_waits_again(self, pick: int) -> None:
        again = list(self.given_up.values())[pick % len(self.given_up)]
        if again.client_id not in self.ledger.get(again.chat, {}).values():
            del self.given_up[again.client_id]
            self.session.outbox.add(again)
            self.session.outbox.release(again.client_id)

    @rule(chat=CHATS)
    def a_chat_is_opened(self, chat: int) -> None:
        self._open(chat)
        self.session.take_chat(self.server.describe(self.server.chats[chat]), self.now_s)

    # --- what the connection does ---

    @precondition(lambda self: not self.is_connected)
    @rule(answers=st.integers(0, 6))
    def connect(self, answers: int) -> None:
        self.is_connected = True
        self.session.connected()
        self._answer_requests(answers)

    @precondition(lambda self: self.is_connected)
    @rule(chance=st.integers(0, 2))
    def the_connection_is_cut(self, chance: int) -> None:
        if chance == 0:
            self._cut()

    def _cut(self) -> None:
        self.is_connected = False
        self.pushes.clear()
        self.replies.clear()
        self.request = self.answer = None
        self.session.disconnected()

    @precondition(lambda self: self.is_connected)
    @rule(steps=st.integers(1, 12))
    def requests_proceed(self, steps: int) -> None:
        """Asked, worked on, answered: each is a step, and anything may happen between two."""
        for _ in range(steps):
            if self.request is None:
                self.request = self.session.next_request(self.now_s)
            elif self.answer is None:
                self.answer = self._work(self.request)
            else:
                answer, self.request, self.answer = self.answer, None, None
                answer(self.session, now_s=self.now_s)
                self._settle_returned()

    def _work(self, request: Sync | History) -> Answer:
        if isinstance(request, Sync):
            return partial(Session.take_synced, reply=self.server.sync(request, ME))
        return partial(Session.take_page, page=self.server.history(request))

    def _answer_requests(self, times: int) -> None:
        while times and (self.request or self.session.next_due_s() is not None):
            self.requests_proceed(1)
            times -= self.request is None

    @precondition(lambda self: self.request is not None and self.answer is None)
    @rule()
    def the_server_is_busy(self) -> None:
        self.answer = partial(Session.fail, retry_after_s=1.0, may_retry=True)

    @precondition(lambda self: self.pushes)
    @rule(picks=st.lists(PICK, min_size=1, max_size=6), again=st.booleans())
    def pushes_arrive(self, picks: list[int], again: bool) -> None:
        for pick in picks[: len(self.pushes)]:
            message = self.pushes[pick % len(self.pushes)]
            if not again:
                self.pushes.remove(message)
            self.session.take_push(EventPush(event=encoded(message)), self.now_s)
            self._settle_returned()

    @precondition(lambda self: self.pushes)
    @rule(pick=PICK)
    def a_push_is_lost(self, pick: int) -> None:
        del self.pushes[pick % len(self.pushes)]

    @precondition(lambda self: self.is_connected and self.session.outbox.pending)
    @rule(acknowledged=st.integers(0, 3))
    def the_outbox_is_sent(self, acknowledged: int) -> None:
        for pending in self.session.outbox.due(self.now_s):
            self.session.outbox.sent_out(pending.client_id)
            log = self.server.chats[pending.chat].log
            before = len(log)
            message = self.server.append(pending.chat, ME, pending.client_id, pending.body, 1)
            self.pushes += log[before:]
            sent = Sent(ref=1, chat=message.chat, seq=message.seq, at=message.at)
            reply = partial(Session.take_sent, client_id=pending.client_id, sent=sent)
            self.replies.append(reply)
        for _ in range(min(acknowledged, len(self.replies))):
            self.an_acknowledgement_arrives(0)

    @precondition(lambda self: self.replies)
    @rule(pick=PICK)
    def an_acknowledgement_arrives(self, pick: int) -> None:
        self.replies.pop(pick % len(self.replies))(self.session, now_s=self.now_s)
        self._settle_returned()

    @precondition(lambda self: self.is_connected)
    @rule(within_ms=st.integers(0, 2000))
    def the_server_asks_to_resync(self, within_ms: int) -> None:
        self.session.take_push(Resync(within_ms=within_ms), self.now_s)

    @rule(seconds=st.sampled_from([0.1, 0.3, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    # --- what the user gets ---

    @rule(times=st.integers(1, 10))
    def the_user_reads(self, times: int) -> None:
        for _ in range(times):
            event = self.session.next_event()
            self._settle_returned()
            self.in_hand = event if isinstance(event, models.Message) else None
            self.has_read_all = event is None
            if self.in_hand is not None:
                assert self.in_hand.seq > self.last_event.get(self.in_hand.chat, 0), "out of order"
                self.last_event[self.in_hand.chat] = self.in_hand.seq
                self.first_event.setdefault(self.in_hand.chat, self.in_hand.seq)
                self._enter(self.in_hand)

    @rule(chance=st.integers(0, 2))
    def the_program_crashes_and_starts_again(self, chance: int) -> None:
        if chance:
            return
        kept = self.session.kept()
        pending = self.session.outbox.pending
        knows_all = self.session.knows_all
        if self.is_connected:
            self._cut()
        if self.in_hand is not None:  # it was not confirmed, so it comes again
            del self.ledger[self.in_hand.chat][self.in_hand.seq]
            self.last_event[self.in_hand.chat] = self.in_hand.seq - 1
            self.in_hand = None
        self.session = self._session(Outbox(pending), kept, knows_all)
        self.given_up = {one.client_id: one for one in pending}

    def _settle_returned(self) -> None:
        while self.session.outbox.returned:
            returned = self.session.outbox.returned.popleft()
            assert isinstance(returned, models.Message)
            assert returned.client_id not in self.given_up, "returned to nobody"
            self._enter(returned)

    def _enter(self, message: models.Message) -> None:
        entries = self.ledger.setdefault(message.chat, {})
        assert message.seq not in entries, "told twice"
        original = self.server.chats[message.chat].log[message.seq - 1]
        assert (message.sender, message.client_id) == (original.sender, original.client_id)
        entries[message.seq] = message.client_id

    # --- the law ---

    def teardown(self) -> None:
        if hasattr(self, "session"):
            if self.is_connected:  # what was lost without a trace is found by the next connection
                self._cut()
            self.connect(0)
            self._let_everything_arrive()
            self._check()
        super().teardown()

    def _let_everything_arrive(self) -> None:
        for _ in range(400):
            self.now_s += 5.0
            self.the_outbox_is_sent(100)
            self._answer_requests(1)
            self.the_user_reads(10)
            is_quiet = self.request is None and self.session.next_due_s() is None
            if is_quiet and self.has_read_all:
                return

    def _check(self) -> None:
        assert self.session.next_due_s() is None
        assert not self.session.outbox.pending
        for number, chat in self.server.chats.items():
            got = sorted(self.ledger.get(number, {}))
            if self.is_newcomer and chat.kind == "private":
                assert got == list(range(1, len(chat.log) + 1))
            elif number in self.first_event:  # what was there before begins with its last events
                first = self.first_event[number]
                assert [seq for seq in got if seq >= first] == [*range(first, len(chat.log) + 1)]


LawTest = pytest.mark.timeout(300)(Law.TestCase)
LawTest.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
