"""How large chats may be, each number with its reason; `/.well-known/hodhod` publishes them."""

from __future__ import annotations

from typing import Final

# Up to here every process may keep the list of members (2 KB) and name them in each push; above it,
# naming them costs more than telling every gateway once.
BROADCAST_MEMBERS: Final = 256
GROUP_MEMBERS_MAX: Final = 200_000  # what people know from Telegram; a channel has no limit
MEMBERS_PER_ADD_MAX: Final = 200  # rows, pushes and look-ups of one request: some ten milliseconds
ADMINS_MAX: Final = 100  # an admin list is read whole
LINKS_MAX: Final = 100  # links in force of one chat: the list is one page
SLOW_MODE_S_MAX: Final = 3600
MEMBERS_PAGE_MAX: Final = 200
VIEWS_PAGE_MAX: Final = 200
VIEWS_PER_JUMP_MAX: Final = 200  # posts that one move of a read position counts: a page of the log
# Above it a position push to everybody would be sent more often than messages are.
RECEIPT_MEMBERS_MAX: Final = 20
TYPING_HINTS_PER_S: Final = 2  # of one chat, whoever types: more cannot be shown
