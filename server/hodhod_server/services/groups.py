"""Groups and channels: founding one, changing what holds for everybody, handing it over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hodhod_server.domain import policy
from hodhod_server.domain.chat_limits import MEMBERS_PER_ADD_MAX, SLOW_MODE_S_MAX
from hodhod_server.domain.errors import Forbidden, LimitReached, Malformed
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.memberships import ChatKind, MemberRole
from hodhod_server.domain.permissions import (
    CHANNEL_DEFAULT,
    EVERYTHING,
    FOR_MEMBERS,
    GROUP_DEFAULT,
    Permission,
    names_of,
)
from hodhod_server.domain.titles import parse_about, parse_title
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.chat_changes import ChatChanges
from hodhod_server.store import groups, members
from hodhod_server.store.groups import Info
from hodhod_wire.events import Changed, Created
from hodhod_wire.frames import Chat

DEFAULTS: Final = {ChatKind.GROUP: GROUP_DEFAULT, ChatKind.CHANNEL: CHANNEL_DEFAULT}


class NewGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What the founder decides."""

    kind: ChatKind
    title: str
    about: str = ""
    users: Sequence[UserId] = ()
    shows_history: bool = True
    signs_posts: bool = True


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change; `None`: stays."""

    title: str | None = None
    about: str | None = None
    permissions: Permission | None = None
    slow_mode_s: int | None = None
    shows_history: bool | None = None
    signs_posts: bool | None = None

    @property
    def is_about_rules(self) -> bool:
        """Does more change than what the chat is called and says about itself?"""
        rules = (self.permissions, self.slow_mode_s, self.shows_history, self.signs_posts)
        return any(rule is not None for rule in rules)


class Groups:
    """What concerns a group or channel as a whole."""

    def __init__(self, changes: ChatChanges) -> None:
        self._changes = changes

    async def create(self, caller: Caller, new: NewGroup) -> Chat:
        """Found one, with the caller as its owner and people in it from the start.

        Raises `TitleInvalid`, `LimitReached`, `UserNotFound`.
        """
        if len(new.users) > MEMBERS_PER_ADD_MAX:
            raise LimitReached(members_per_add_max=MEMBERS_PER_ADD_MAX)
        info = Info(
            title=parse_title(new.title),
            about=parse_about(new.about),
            permissions=DEFAULTS[new.kind],
            shows_history=new.shows_history,
            signs_posts=new.signs_posts,
        )
        async with self._changes.founding(new.kind, info, caller.user) as change:
            added = await change.let_in(set(new.users) - {caller.user})
            told = added if change.group.tells_members else []
            change.notices[:] = [Created(title=info.title, users=list(told))]
        return change.states[caller.user]

    async def edit(self, caller: Caller, chat: int, edit: Edit) -> Chat:
        """Change what holds for everybody. Raises `ChatNotFound`, `Forbidden`, `TitleInvalid`,
        `Malformed`.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = await change.actor()
            if edit.title is not None or edit.about is not None:
                policy.require(actor, Permission.CHANGE_INFO)
            if edit.is_about_rules:
                policy.require_can_set_rules(actor, edit.permissions)
            before = change.group.info
            after = _edited(before, edit)
            if after != before:
                await groups.set_info(change.tx, change.chat, after)
                change.hides_sender |= not msgspec.structs.replace(change.group, info=after).signs
                change.notices.append(_difference(before, after))
            change.concerned.add(caller.user)
        return change.states[caller.user]

    async def hand_over(self, caller: Caller, chat: int, user: int) -> None:
        """Make another member the owner; the caller stays as an admin with every permission.

        Raises `ChatNotFound`, `MemberNotFound`, `Forbidden`, `WrongState`.
        """
        async with self._changes.open(ChatId(chat), caller.user) as change:
            actor = (await change.actor()).member
            if actor.role is not MemberRole.OWNER:
                raise Forbidden
            heir = await members.load(change.tx, change.chat, UserId(user))
            policy.require_can_hand_over(actor, heir)
            await members.set_role(
                change.tx, change.chat, actor.user, MemberRole.ADMIN, EVERYTHING, heir.user
            )
            await members.set_role(change.tx, change.chat, heir.user, MemberRole.OWNER)
            change.concerned |= {actor.user, heir.user}


def _edited(info: Info, edit: Edit) -> Info:
    if edit.slow_mode_s is not None and not 0 <= edit.slow_mode_s <= SLOW_MODE_S_MAX:
        raise Malformed(f"slow_mode_s is a number from 0 to {SLOW_MODE_S_MAX}")
    if edit.permissions is not None and edit.permissions & ~FOR_MEMBERS:
        raise Malformed("default_permissions has a name that is for admins only")
    wanted = {
        "title": None if edit.title is None else parse_title(edit.title),
        "about": None if edit.about is None else parse_about(edit.about),
        "permissions": edit.permissions,
        "slow_mode_s": edit.slow_mode_s,
        "shows_history": edit.shows_history,
        "signs_posts": edit.signs_posts,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return msgspec.structs.replace(info, **given)


def _difference(before: Info, after: Info) -> Changed:
    history = "all" if after.shows_history else "from_joining"
    return Changed(
        title=after.title if after.title != before.title else None,
        about=after.about if after.about != before.about else None,
        default_permissions=(
            names_of(after.permissions) if after.permissions != before.permissions else None
        ),
        slow_mode_s=after.slow_mode_s if after.slow_mode_s != before.slow_mode_s else None,
        history=history if after.shows_history != before.shows_history else None,
        signs_posts=after.signs_posts if after.signs_posts != before.signs_posts else None,
    )
