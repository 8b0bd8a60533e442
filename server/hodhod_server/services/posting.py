"""Who may write in a chat, asked before a message is queued and again if the chat changed since.

Groups and channels ask more than private chats: permissions, mutes, slow mode. What was found is
true for one version of the chat, which the draft carries to the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hodhod_server.cluster.rate_limit import SlowPace
from hodhod_server.domain import policy
from hodhod_server.domain.chat_log import Draft
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChatNotFound, HodhodError, SlowMode
from hodhod_server.domain.ids import ChatId, ClientId, UserId
from hodhod_server.domain.memberships import ChatKind, MemberRole, Standing
from hodhod_server.services.rights import Rights
from hodhod_server.store.database import Tx

PRIVATE: Final = ChatKind.PRIVATE


class Posting:
    """The right to write."""

    def __init__(self, rights: Rights, pace: SlowPace, clock: Clock) -> None:
        self._rights = rights
        self._pace = pace
        self._clock = clock

    async def allow(
        self, user: UserId, chat: ChatId, client_id: ClientId, *, holds_file: bool
    ) -> Standing:
        """The writer's standing. Raises `ChatNotFound`, `Forbidden`, `Muted`, `SlowMode`."""
        standing = await self._rights.require_member(user, chat)
        if standing.chat.kind is not PRIVATE:
            policy.require_can_post(standing, self._clock.now(), holds_file=holds_file)
            await self._keep_pace(standing, client_id)
        return standing

    async def recheck(self, tx: Tx, drafts: Sequence[Draft]) -> list[Draft | HodhodError]:
        """The drafts as they are allowed now, or why they are not."""
        now = self._clock.now()
        standings = await self._rights.reload(tx, {(draft.chat, draft.sender) for draft in drafts})
        verdicts: list[Draft | HodhodError] = []
        for draft in drafts:
            standing = standings.get((draft.chat, draft.sender))
            try:
                if standing is None:
                    raise ChatNotFound
                if standing.chat.kind is not PRIVATE:
                    policy.require_can_post(standing, now, holds_file=draft.holds_file)
                verdicts.append(_renewed(draft, standing))
            except HodhodError as refusal:
                verdicts.append(refusal)
        return verdicts

    async def _keep_pace(self, standing: Standing, client_id: ClientId) -> None:
        every_s = standing.chat.slow_mode_s
        if not every_s or standing.member.role is not MemberRole.MEMBER:
            return
        wait_s = await self._pace.wait_s(
            standing.chat.chat, standing.member.user, client_id, every_s=every_s
        )
        if wait_s:
            raise SlowMode(retry_after_s=wait_s)


def _renewed(draft: Draft, standing: Standing) -> Draft:
    return msgspec.structs.replace(
        draft,
        audience=standing.chat.users,
        version=standing.version,
        is_broadcast=standing.chat.is_broadcast,
        hides_sender=not standing.chat.signs_posts,
    )
