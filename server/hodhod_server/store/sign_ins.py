"""Challenges, as the signed-in devices of their number's account see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.ids import ChallengeId, UserId
from hodhod_server.store.challenges import challenge_of
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("sign_ins")
ASKED_OF: Final = SQL["asked_of"]
WAITING_FOR: Final = SQL["waiting_for"]
IS_OF: Final = SQL["is_of"]
APPROVE: Final = SQL["approve"]
REFUSE: Final = SQL["refuse"]


async def asked_of(tx: Tx, phone_hashes: Sequence[bytes]) -> dict[bytes, UserId]:
    """Whom these numbers belong to, if a device of theirs is signed in."""
    rows = await tx.fetch(ASKED_OF, phone_hashes)
    return {row["phone_hash"]: UserId(row["user_id"]) for row in rows}


async def waiting_for(tx: Tx, user: UserId, since: datetime, rows_max: int) -> list[Challenge]:
    """Challenges for this person's number that nobody has answered, newest first."""
    return [challenge_of(row) for row in await tx.fetch(WAITING_FOR, user, since, rows_max)]


async def is_of(tx: Tx, user: UserId, phone_hash: bytes) -> bool:
    """Is this the person's number?"""
    return bool(await tx.fetchval(IS_OF, user, phone_hash))


async def approve(tx: Tx, challenge: ChallengeId, user: UserId, now: datetime) -> None:
    """This person lets the challenge's device in as themselves."""
    await tx.execute(APPROVE, challenge, now, user)


async def refuse(tx: Tx, challenge: ChallengeId, now: datetime) -> None:
    """Nobody comes in by this challenge any more."""
    await tx.execute(REFUSE, challenge, now)
