"""What a person who is inside can do: the services that the socket and its JSON twin share."""

from __future__ import annotations

from dataclasses import dataclass

from hodhod_server.services.accounts import Accounts
from hodhod_server.services.chats import Chats
from hodhod_server.services.file_links import FileLinks
from hodhod_server.services.groups import Groups
from hodhod_server.services.invites import Invites
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.returning import Returning
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.views import Views
from hodhod_server.services.vouchers import Vouchers


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """One of each; made in `app.py`."""

    accounts: Accounts
    sessions: Sessions
    messaging: Messaging
    chats: Chats
    syncing: Syncing
    positions: PositionKeeper
    typing: TypingHints
    file_links: FileLinks
    groups: Groups
    membership: Membership
    invites: Invites
    views: Views
    vouchers: Vouchers
    returning: Returning
