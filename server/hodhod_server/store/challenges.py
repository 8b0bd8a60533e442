"""Challenges: rows to models. Neither a code nor a secret is stored, both are derived."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.errors import ChallengeNotFound
from hodhod_server.domain.ids import ChallengeId, DeviceId, UserId
from hodhod_server.store.database import Row, Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("challenges")
LOCK_PHONE: Final = SQL["lock_phone"]
LOCK_PHONE_OF: Final = SQL["lock_phone_of"]
FIND: Final = SQL["find"]
LOCK: Final = SQL["lock"]
FIND_NEWEST: Final = SQL["find_newest"]
INSERT: Final = SQL["insert"]
BEGIN_HANDOFF: Final = SQL["begin_handoff"]
RECORD_HANDOFF: Final = SQL["record_handoff"]
WITHDRAW_HANDOFF: Final = SQL["withdraw_handoff"]
HANDOFFS_OF_PHONE: Final = SQL["handoffs_of_phone"]
WRONG_TRIES_OF_PHONE: Final = SQL["wrong_tries_of_phone"]
ADD_WRONG_TRY: Final = SQL["add_wrong_try"]
ACCEPT: Final = SQL["accept"]
FINISH: Final = SQL["finish"]


def challenge_from(row: Row) -> Challenge:
    """A challenge, from its row."""
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
        handoffs=tuple(row["handoffs"]),
        handing_over_at=row["handing_over_at"],
        sent_at=row["sent_at"],
        wrong_tries=row["wrong_tries"],
        accepted_at=row["code_accepted_at"],
        accepted_by=row["accepted_by"],
        approved_by=None if row["approved_by"] is None else UserId(row["approved_by"]),
        refused_at=row["refused_at"],
        device=None if device is None else DeviceId(device),
        is_new=row["is_new"],
    )


async def _load(tx: Tx, statement: str, *arguments: object) -> Challenge:
    row = await tx.fetchrow(statement, *arguments)
    if row is None:
        raise ChallengeNotFound
    return challenge_from(row)


async def lock_phone(tx: Tx, phone_hash: bytes) -> None:
    """Until the transaction ends, nobody else decides about this number."""
    await tx.execute(LOCK_PHONE, phone_hash)


async def load(tx: Tx, challenge: ChallengeId) -> Challenge:
    """The challenge as it stands. Raises `ChallengeNotFound`."""
    return await _load(tx, FIND, challenge)


async def lock(tx: Tx, challenge: ChallengeId) -> Challenge:
    """The challenge, locked with its number. Raises `ChallengeNotFound`."""
    await tx.execute(LOCK_PHONE_OF, challenge)
    return await _load(tx, LOCK, challenge)


async def find_newest(tx: Tx, phone_hash: bytes, device_key: bytes) -> Challenge | None:
    """The last challenge that this device started for this number."""
    row = await tx.fetchrow(FIND_NEWEST, phone_hash, device_key)
    return None if row is None else challenge_from(row)


async def insert(tx: Tx, draft: Challenge) -> Challenge:
    """A new challenge, its first hand-off under way since `created_at`."""
    return await _load(
        tx,
        INSERT,
        draft.challenge,
        draft.phone_hash,
        draft.phone_sealed,
        draft.device_key,
        draft.device_name,
        draft.platform,
        draft.locale,
        draft.key_epoch,
        draft.created_at,
    )


async def begin_handoff(tx: Tx, challenge: ChallengeId, now: datetime) -> Challenge:
    """A hand-off is under way from now on, and counts until it is withdrawn."""
    return await _load(tx, BEGIN_HANDOFF, challenge, now)


async def record_handoff(tx: Tx, challenge: ChallengeId, began_at: datetime) -> Challenge:
    """The sender took the code."""
    return await _load(tx, RECORD_HANDOFF, challenge, began_at)


async def withdraw_handoff(tx: Tx, challenge: ChallengeId, began_at: datetime) -> None:
    """The sender refused the code: this hand-off never was."""
    await tx.execute(WITHDRAW_HANDOFF, challenge, began_at)


async def handoffs_of_phone(tx: Tx, phone_hash: bytes, since: datetime) -> tuple[datetime, ...]:
    """When hand-offs to this number began, over all its challenges, oldest first."""
    return tuple(row["handoff"] for row in await tx.fetch(HANDOFFS_OF_PHONE, phone_hash, since))


async def wrong_tries_of_phone(tx: Tx, phone_hash: bytes, since: datetime) -> int:
    """Wrong codes of the challenges that had one since then; never fewer than were tried."""
    return int(await tx.fetchval(WRONG_TRIES_OF_PHONE, phone_hash, since))


async def add_wrong_try(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """One try is used up."""
    await tx.execute(ADD_WRONG_TRY, challenge, now)


async def accept(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """The code was right; the first time counts."""
    await tx.execute(ACCEPT, challenge, now)


async def finish(
    tx: Tx, challenge: ChallengeId, device: DeviceId, *, is_new: bool, now: datetime
) -> None:
    """The result, for whoever asks again within a code's validity from now."""
    await tx.execute(FINISH, challenge, device, is_new, now)
