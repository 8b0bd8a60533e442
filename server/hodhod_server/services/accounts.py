"""People's accounts, once they are inside."""

from __future__ import annotations

from hodhod_server.domain.errors import Unauthenticated, UserNotFound
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import User
from hodhod_server.domain.names import parse_name
from hodhod_server.domain.phone import Phone, open_phone
from hodhod_server.domain.tokens import Caller
from hodhod_server.store import accounts
from hodhod_server.store.database import Database


class Accounts:
    """One's own account, and what others may see of theirs."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def me(self, caller: Caller) -> tuple[User, Phone | None]:
        """The caller's account and number, which nobody else is shown. `None`: it has none now."""
        async with self._database.connection() as connection:
            user = await accounts.find_user(connection, caller.user)
        if user is None:
            raise Unauthenticated
        sealed = user.phone_sealed
        return user, None if sealed is None else open_phone(self._keys.phone_cipher, sealed)

    async def rename(self, caller: Caller, name: str) -> tuple[User, Phone | None]:
        """Change the caller's name. Raises `NameInvalid`."""
        accepted = parse_name(name)
        async with self._database.transaction() as tx:
            await accounts.set_name(tx, caller.user, accepted)
        return await self.me(caller)

    async def get(self, user: int) -> User:
        """Somebody's account, by id. Raises `UserNotFound`."""
        async with self._database.connection() as connection:
            found = await accounts.find_user(connection, UserId(user))
        if found is None:
            raise UserNotFound
        return found
