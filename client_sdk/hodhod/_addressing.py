"""How methods are told which chat and which person: by id, or by anything that has one."""

from __future__ import annotations

from collections.abc import Iterable

from hodhod._models import Ban, Chat, GroupMember, JoinRequest, Member, User

AnyChat = Chat | int
Person = User | Member | GroupMember | JoinRequest | Ban | int


def chat_id(chat: AnyChat) -> int:
    """The chat's id."""
    return chat.id if isinstance(chat, Chat) else chat


def user_id(person: Person) -> int:
    """The person's id."""
    match person:
        case int():
            return person
        case User():
            return person.id
        case _:
            return person.user


def permission_names(permissions: Iterable[str]) -> list[str]:
    """The names. Raises `ValueError` for a name where several are meant."""
    if isinstance(permissions, str):
        raise ValueError("give a list of permissions, not one of them")
    return [str(one) for one in permissions]
