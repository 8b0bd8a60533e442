"""What may be forgotten after its time, in bounded batches."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from hodhod_server.store.database import Tx, rows_affected
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("sweeps")
DELETE_CHALLENGES: Final = SQL["delete_challenges"]
DELETE_SENDS: Final = SQL["delete_sends"]
DELETE_REFRESH_TOKENS: Final = SQL["delete_refresh_tokens"]

DELETE_TRIES: Final = SQL["delete_tries"]
DELETE_RETURN_KEYS: Final = SQL["delete_return_keys"]
DELETE_DEVICE_LINKS: Final = SQL["delete_device_links"]
DELETE_JOB_LOGS: Final = SQL["delete_job_logs"]


async def delete_challenges(tx: Tx, created_before: datetime, rows_max: int) -> int:
    """How many challenges were deleted, the oldest first."""
    return rows_affected(await tx.execute(DELETE_CHALLENGES, created_before, rows_max))


async def delete_sends(tx: Tx, began_before: datetime, rows_max: int) -> int:
    """How many hand-offs of codes were deleted."""
    return rows_affected(await tx.execute(DELETE_SENDS, began_before, rows_max))


async def delete_refresh_tokens(tx: Tx, expired_before: datetime, rows_max: int) -> int:
    """How many refresh tokens were deleted, the oldest first."""
    return rows_affected(await tx.execute(DELETE_REFRESH_TOKENS, expired_before, rows_max))


async def delete_tries(tx: Tx, ended_before: datetime, rows_max: int) -> int:
    """How many counts of tries were deleted, those that came back first."""
    return rows_affected(await tx.execute(DELETE_TRIES, ended_before, rows_max))


async def delete_return_keys(tx: Tx, expired_before: datetime, rows_max: int) -> int:
    """How many tokens of sign-outs were deleted, the oldest first."""
    return rows_affected(await tx.execute(DELETE_RETURN_KEYS, expired_before, rows_max))


async def delete_device_links(tx: Tx, approved_before: datetime, rows_max: int) -> int:
    """How many links were deleted, the oldest first."""
    return rows_affected(await tx.execute(DELETE_DEVICE_LINKS, approved_before, rows_max))


async def delete_job_logs(tx: Tx, created_before: datetime, rows_max: int) -> int:
    """How many notes of the job queue were deleted, the oldest first."""
    return rows_affected(await tx.execute(DELETE_JOB_LOGS, created_before, rows_max))
