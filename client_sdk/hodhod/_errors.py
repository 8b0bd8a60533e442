"""Everything the SDK raises, by what the caller can do about it.

HodhodError
├── ConnectionLost          try again later; the client itself goes on reconnecting
│   └── SendUnconfirmed     nothing: the message is kept and goes out by itself
├── SignedOut               sign in (again)
├── Refused                 the server said no: `code` says why, `titles` say it to a person
│   ├── TryLater (ProofRequired)    the same again, after `retry_after_s`; on a faster device
│   ├── InvalidInput        correct what the person typed
│   ├── CodeWrong  NameRequired  ChallengeOver      what is left of a sign-up
│   ├── PinRequired (TotpRequired)  PinWrong        ask for the PIN, or for a one-time code
│   └── NotFound  NotAllowed
├── TurnedAway              the server asked this program not to come back by itself
├── ServerNotUnderstood     check the address, or update the SDK
└── FileChanged  StateUnusable    look at the file
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import Titles


class HodhodError(Exception):
    """Anything that goes wrong between this program and the server."""


class ConnectionLost(HodhodError):
    """No answer in time. Nothing is known about whether the request was carried out."""


class SendUnconfirmed(ConnectionLost):
    """The message is not acknowledged yet. It is kept and sent again, with the same `client_id`.

    It is stored at most once. When it is, it arrives as an event; `send(..., client_id=...)`
    waits for it again.
    """

    def __init__(self, client_id: int) -> None:
        super().__init__(f"message {client_id} is not acknowledged yet and stays in the outbox")
        self.client_id = client_id


class SignedOut(HodhodError):
    """There is no session, or the server ended it and did not take the device key either."""


class TurnedAway(HodhodError):
    """The server closed the connection with a code that asks not to reconnect by oneself."""

    def __init__(self, close_code: int) -> None:
        super().__init__(f"the server closed the connection for good (code {close_code})")
        self.close_code = close_code


class ServerNotUnderstood(HodhodError):
    """What answered is no Hodhod server, or one of a later version."""


class FileChanged(HodhodError):
    """The file changed while it was being sent, or is not the one that was announced."""


class StateUnusable(HodhodError):
    """The session file cannot be read or written, is of another server, or is in use."""


class Refused(HodhodError):
    """The server understood the request and said no."""

    def __init__(
        self,
        code: str,
        titles: Titles | None = None,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        facts: Mapping[str, int | str] | None = None,
    ) -> None:
        self.code = code
        """One word that never changes its meaning; the list is in docs/reference/errors.md."""
        self.titles = titles or Titles(en=code, fa=code)
        """The same sentence for a person, as `titles.en` and `titles.fa`."""
        self.detail = detail
        self.retry_after_s = retry_after_s
        """Seconds until the same request may succeed; `None` where the server did not say."""
        self.facts: Mapping[str, int | str] = facts or {}
        """Members of the answer that a program may read: `tries_left`, `offset` …"""
        super().__init__(f"{code}: {self.titles.en}" + (f" ({detail})" if detail else ""))


class TryLater(Refused):
    """Nothing was done; the same request may succeed after `retry_after_s`."""


class InvalidInput(Refused):
    """What was typed or passed cannot be used: a phone, a name, a text that is too long …"""


class CodeWrong(Refused):
    """Not the code that was sent."""

    @property
    def tries_left(self) -> int:
        """How many more codes this challenge takes."""
        return int(self.facts.get("tries_left", 0))


class NameRequired(Refused):
    """The code was right and the number is new: call `verify` again, with a name."""


class PinRequired(Refused):
    """The number is proved and a PIN guards the account: the same again, with the PIN."""

    @property
    def fresh_from(self) -> int:
        """From then on (ms) the number may be had for a fresh account, without the PIN."""
        return int(self.facts.get("fresh_from", 0))


class TotpRequired(PinRequired):
    """The number is proved and one-time codes guard the account: the same again, with one."""


class PinWrong(Refused):
    """Not the PIN, or not a one-time code, of this account."""

    @property
    def tries_left(self) -> int:
        """How many more PINs the account takes."""
        return int(self.facts.get("tries_left", 0))


class ChallengeOver(Refused):
    """The challenge has expired or has no tries left: ask for a new code."""


class ProofRequired(Refused):
    """The server asks for a computation that was not done in time. The client does it by itself."""

    puzzle: Mapping[str, object] = MappingProxyType({})
    """What has to be solved: an ALTCHA v2 challenge."""


class NotFound(Refused):
    """There is no such chat, user, message or file, or the caller may not know of it."""


class NotAllowed(Refused):
    """The caller is known and may not do this."""


CLASSES: Final[dict[str, type[Refused]]] = {
    ErrorCode.MALFORMED: InvalidInput,
    ErrorCode.TOO_LARGE: InvalidInput,
    ErrorCode.NOT_FOUND: NotFound,
    ErrorCode.METHOD_NOT_ALLOWED: Refused,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Refused,
    ErrorCode.UNAUTHENTICATED: Refused,
    ErrorCode.FORBIDDEN: NotAllowed,
    ErrorCode.WRONG_STATE: Refused,
    ErrorCode.RATE_LIMITED: TryLater,
    ErrorCode.OVERLOADED: TryLater,
    ErrorCode.INTERNAL: TryLater,
    ErrorCode.PHONE_INVALID: InvalidInput,
    ErrorCode.NAME_INVALID: InvalidInput,
    ErrorCode.NAME_REQUIRED: NameRequired,
    ErrorCode.CHALLENGE_NOT_FOUND: ChallengeOver,
    ErrorCode.CHALLENGE_EXPIRED: ChallengeOver,
    ErrorCode.CODE_MALFORMED: InvalidInput,
    ErrorCode.CODE_WRONG: CodeWrong,
    ErrorCode.TRIES_EXHAUSTED: ChallengeOver,
    ErrorCode.PROOF_OF_WORK_REQUIRED: ProofRequired,
    ErrorCode.COUNTRY_NOT_SERVED: InvalidInput,
    ErrorCode.TEXT_US_INSTEAD: NotAllowed,
    ErrorCode.TICKET_INVALID: ChallengeOver,
    ErrorCode.REFRESH_TOKEN_INVALID: Refused,
    ErrorCode.REFRESH_TOKEN_REUSED: Refused,
    ErrorCode.DEVICE_NOT_FOUND: NotFound,
    ErrorCode.SIGNATURE_INVALID: Refused,
    ErrorCode.CLOCK_SKEWED: TryLater,
    ErrorCode.RECOVERY_KEY_INVALID: Refused,
    ErrorCode.PIN_REQUIRED: PinRequired,
    ErrorCode.PIN_WRONG: PinWrong,
    ErrorCode.PIN_INVALID: InvalidInput,
    ErrorCode.HELD: NotAllowed,
    ErrorCode.SIGN_IN_NUMBER_WRONG: Refused,
    ErrorCode.DEVICE_LINK_INVALID: Refused,
    ErrorCode.TOTP_REQUIRED: TotpRequired,
    ErrorCode.TOTP_WRONG: PinWrong,
    ErrorCode.NUMBER_TAKEN: Refused,
    ErrorCode.PASSKEY_INVALID: Refused,
    ErrorCode.CHAT_NOT_FOUND: NotFound,
    ErrorCode.USER_NOT_FOUND: NotFound,
    ErrorCode.MESSAGE_NOT_FOUND: NotFound,
    ErrorCode.CLIENT_ID_REUSED: Refused,
    ErrorCode.TITLE_INVALID: InvalidInput,
    ErrorCode.MEMBER_NOT_FOUND: NotFound,
    ErrorCode.INVITE_NOT_FOUND: NotFound,
    ErrorCode.BANNED: NotAllowed,
    ErrorCode.MUTED: NotAllowed,
    ErrorCode.SLOW_MODE: TryLater,
    ErrorCode.LIMIT_REACHED: Refused,
    ErrorCode.MEDIA_NOT_FOUND: NotFound,
    ErrorCode.MEDIA_NOT_READY: TryLater,
    ErrorCode.MEDIA_REFUSED: Refused,
    ErrorCode.UPLOAD_NOT_FOUND: NotFound,
    ErrorCode.UPLOAD_EXPIRED: Refused,
    ErrorCode.UPLOAD_BUSY: TryLater,
    ErrorCode.OFFSET_MISMATCH: TryLater,
    ErrorCode.CHECKSUM_MISMATCH: TryLater,
    ErrorCode.FILE_TYPE_REFUSED: InvalidInput,
    ErrorCode.QUOTA_EXCEEDED: Refused,
    ErrorCode.TUS_VERSION_UNSUPPORTED: Refused,
    ErrorCode.STORAGE_FULL: TryLater,
    ErrorCode.LINK_INVALID: Refused,
    ErrorCode.LINK_EXPIRED: Refused,
    ErrorCode.RANGE_NOT_SATISFIABLE: InvalidInput,
}


def refusal(
    code: str,
    titles: Titles | None = None,
    detail: str = "",
    *,
    retry_after_s: float | None = None,
    facts: Mapping[str, int | str] | None = None,
) -> Refused:
    """The exception for a code; a code of a later server is `TryLater` where it names a time."""
    fallback = Refused if retry_after_s is None else TryLater
    return CLASSES.get(code, fallback)(
        code, titles, detail, retry_after_s=retry_after_s, facts=facts
    )
