"""Challenges: rows to models. Neither a code nor a secret is stored, both are derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import msgspec

from hodhod_server.domain.challenges import Challenge, ChallengeRules, Limit, Send
from hodhod_server.domain.errors import ChallengeNotFound
from hodhod_server.domain.ids import ChallengeId, DeviceId, UserId
from hodhod_server.domain.ladder import Way
from hodhod_server.domain.models import User
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("challenges")
LOCK_PHONE_OF: Final = SQL["lock_phone_of"]
START: Final = SQL["start"]
FIND: Final = SQL["find"]
FIND_BARE: Final = SQL["find_bare"]
LOCK: Final = SQL["lock"]
WRONG_TRIES_OF_PHONE: Final = SQL["wrong_tries_of_phone"]
ADD_WRONG_TRY: Final = SQL["add_wrong_try"]
ACCEPT: Final = SQL["accept"]
FINISH: Final = SQL["finish"]
ADMIT_NEWCOMERS: Final = SQL["admit_newcomers"]
WANT_VOICE: Final = SQL["want_voice"]
NOTE_SEEN: Final = SQL["note_seen"]
CANCEL: Final = SQL["cancel"]
WAITING_OF_PHONE: Final = SQL["waiting_of_phone"]
VERSIONS: Final = SQL["versions"]
_DRAFTED: Final = (
    *("challenge", "phone_hash", "phone_sealed", "device_key", "device_name", "platform", "locale"),
    *("key_epoch", "created_at", "client", "app_hash", "operator", "source", "is_inbound_only"),
    "text_at_once",
)


class Started(msgspec.Struct, frozen=True):
    """What `start` did: 'new', 'known' with an id, 'tried', or 'sent' with a time to come back."""

    answer: str
    known: ChallengeId | None
    free_at: datetime | None


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has shown the right code, as their challenge was seen, with their first token.

    In the order of the statement's arguments.
    """

    challenge: ChallengeId
    wrong_tries: int
    name: str
    at: datetime
    token_hash: bytes
    token_ends_at: datetime


class Arrived(msgspec.Struct, frozen=True):
    """Somebody who has just joined, and the device they joined on."""

    user: User
    device: DeviceId


def challenge_of(row: Row, sends: tuple[Send, ...] = ()) -> Challenge:
    """A row as the challenge that it is; its sends are rows of their own."""
    device = row["device_id"]
    return Challenge(
        challenge=ChallengeId(row["challenge_id"]),
        phone_hash=row["phone_hash"],
        phone_sealed=row["phone_encrypted"],
        device_key=row["device_key"],
        device_name=row["device_name"],
        platform=row["platform"],
        locale=row["locale"],
        key_epoch=row["key_epoch"],
        created_at=row["created_at"],
        client=row["client"],
        app_hash=row["app_hash"],
        operator=row["operator"],
        source=row["source"],
        is_inbound_only=row["is_inbound_only"],
        text_at_once=row["text_at_once"],
        version=row["version"],
        handoffs=tuple(row["handoffs"]),
        sends=sends,
        sent_at=row["sent_at"],
        wrong_tries=row["wrong_tries"],
        wrong_at=row["wrong_at"],
        accepted_at=row["code_accepted_at"],
        accepted_by=row["accepted_by"],
        seen_at=row["seen_at"],
        cancelled_at=row["cancelled_at"],
        voice_wanted_at=row["voice_wanted_at"],
        approved_by=None if row["approved_by"] is None else UserId(row["approved_by"]),
        refused_at=row["refused_at"],
        device=None if device is None else DeviceId(device),
        is_new=row["is_new"],
    )


def _with_sends(row: Row) -> Challenge:
    if row["ats"] is None:
        return challenge_of(row)
    columns = zip(row["ats"], row["channels"], row["outcomes"], row["providers"], strict=True)
    return challenge_of(
        row,
        tuple(
            Send(at=at, way=Way(channel), outcome=outcome, provider=provider)
            for at, channel, outcome, provider in columns
        ),
    )


async def start(tx: Tx, drafts: Sequence[Challenge], rules: ChallengeRules) -> list[Started]:
    """Store drafts, each of another number, in one statement.

    Not one whose device has a challenge already, or whose number has no room.
    """
    # Every batch takes the locks of its numbers in this order: none waits for another in a circle.
    rows = await tx.fetch(
        START,
        *_columns(sorted(drafts, key=attrgetter("phone_hash")), _DRAFTED),
        timedelta(seconds=rules.code_validity_s),
        timedelta(seconds=rules.second_generation_s),
        rules.tries_max,
        *limit_columns(rules.tries),
        *limit_columns(rules.handoffs),
    )
    started = {row["challenge_id"]: row for row in rows}
    found = [started[draft.challenge] for draft in drafts]
    return [Started(row["answer"], row["known"], row["at"]) for row in found]


def limit_columns(limits: Sequence[Limit]) -> tuple[list[int], list[object]]:
    """Limits as a statement takes them."""
    return [limit.most for limit in limits], [limit.per for limit in limits]


async def find_many(tx: Tx, ids: Sequence[ChallengeId]) -> list[Challenge]:
    """These challenges with their sends, in no order."""
    return [_with_sends(row) for row in await tx.fetch(FIND, ids)]


async def load(tx: Tx, challenge: ChallengeId) -> Challenge:
    """The challenge with its sends. Raises `ChallengeNotFound`."""
    found = await find_many(tx, [challenge])
    if not found:
        raise ChallengeNotFound
    return found[0]


async def find_bare(tx: Tx, ids: Sequence[ChallengeId]) -> list[Challenge | None]:
    """The challenges without their sends, None where there is none, in the order of the ids."""
    found = {row["challenge_id"]: challenge_of(row) for row in await tx.fetch(FIND_BARE, ids)}
    return [found.get(challenge) for challenge in ids]


async def lock(tx: Tx, challenge: ChallengeId) -> Challenge:
    """The challenge without its sends, locked with its number. Raises `ChallengeNotFound`."""
    await tx.execute(LOCK_PHONE_OF, challenge)
    row = await tx.fetchrow(LOCK, challenge)
    if row is None:
        raise ChallengeNotFound
    return challenge_of(row)


async def is_tried_out(tx: Tx, phone_hash: bytes, limits: Sequence[Limit], now: datetime) -> bool:
    """Have as many wrong codes been tried for the number as may be?

    Those of a challenge count together since the last of them, never fewer than were tried.
    """
    most, per = limit_columns(limits)
    rows = await tx.fetch(WRONG_TRIES_OF_PHONE, phone_hash, now, per)
    return any(row["wrong"] >= allowed for row, allowed in zip(rows, most, strict=True))


async def add_wrong_try(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """One try is used up."""
    await tx.execute(ADD_WRONG_TRY, challenge, now)


async def accept(tx: Tx, challenge: ChallengeId, now: datetime, by: str) -> None:
    """The number is proved; the first time counts."""
    await tx.execute(ACCEPT, challenge, now, by)


async def finish(
    tx: Tx, challenge: ChallengeId, device: DeviceId, *, is_new: bool, now: datetime
) -> None:
    """The result, for whoever asks again within a code's validity from now."""
    await tx.execute(FINISH, challenge, device, is_new, now, "code")


async def admit_newcomers(tx: Tx, welcomes: Sequence[Welcome]) -> list[Arrived | None]:
    """Account, device, first token and the challenge's end for each whose all is as it was seen.

    None: it is not, or the number is known; nothing was done. Each is of another number.
    """
    ordered = sorted(welcomes, key=attrgetter("challenge"))
    rows = await tx.fetch(ADMIT_NEWCOMERS, *_columns(ordered, Welcome.__struct_fields__))
    arrived = {row["challenge_id"]: _arrived(row) for row in rows}
    return [arrived.get(welcome.challenge) for welcome in welcomes]


def _arrived(row: Row) -> Arrived:
    user = User(
        user=UserId(row["user_id"]),
        name=row["name"],
        phone_sealed=row["phone_encrypted"],
        created_at=row["created_at"],
    )
    return Arrived(user, DeviceId(row["device_id"]))


def _columns(rows: Sequence[msgspec.Struct], members: Sequence[str]) -> list[list[object]]:
    """Members of rows as arrays."""
    return [[getattr(row, name) for row in rows] for name in members]


async def want_voice(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """The newcomer asked to be called."""
    await tx.execute(WANT_VOICE, challenge, now)


async def note_seen(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """The text has come."""
    await tx.execute(NOTE_SEEN, challenge, now)


async def cancel(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """The newcomer wants no code any more."""
    await tx.execute(CANCEL, challenge, now)


async def waiting_of_phone(tx: Tx, phone_hash: bytes, created_after: datetime) -> list[ChallengeId]:
    """The challenges of a number that a text from it may accept."""
    rows = await tx.fetch(WAITING_OF_PHONE, phone_hash, created_after)
    return [ChallengeId(row["challenge_id"]) for row in rows]


async def changed_since(tx: Tx, seen: Mapping[ChallengeId, int]) -> list[ChallengeId]:
    """Which of these have a later version than was seen."""
    rows = await tx.fetch(VERSIONS, list(seen), list(seen.values()))
    return [ChallengeId(row["challenge_id"]) for row in rows]
