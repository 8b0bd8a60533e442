"""Everything that can be refused: one class per code of the wire contract.

The inside raises these; each edge turns them into its own form with one table. A docstring is the
explanation printed in `docs/reference/errors.md`; those of uploads are in `upload_errors`. `facts`
are members that a program may read (`tries_left`, `offset`, `server_time`); none of them holds a
secret, a phone or a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hodhod_wire.errors import ErrorCode


class HodhodError(Exception):
    """A refusal with a code. Never raised itself."""

    code: ClassVar[ErrorCode]

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        **facts: int | str | Mapping[str, object],
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.facts = facts


class Malformed(HodhodError):
    """The request could not be read; `detail` says where and why."""

    code = ErrorCode.MALFORMED


class TooLarge(HodhodError):
    """A frame, a body or an upload is over its limit; limits are in `/.well-known/hodhod`."""

    code = ErrorCode.TOO_LARGE


class NotFound(HodhodError):
    """No endpoint has this path."""

    code = ErrorCode.NOT_FOUND


class MethodNotAllowed(HodhodError):
    """The path exists and does not take this method; `Allow` lists what it takes."""

    code = ErrorCode.METHOD_NOT_ALLOWED


class UnsupportedMediaType(HodhodError):
    """The body's content type is not the one this endpoint reads."""

    code = ErrorCode.UNSUPPORTED_MEDIA_TYPE


class Unauthenticated(HodhodError):
    """The access token is missing, wrong or expired: refresh it, or sign in."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(HodhodError):
    """The caller is known and may not do this."""

    code = ErrorCode.FORBIDDEN


class WrongState(HodhodError):
    """The request makes no sense at this point: a second `hello`, a frame before `hello` …"""

    code = ErrorCode.WRONG_STATE


class RateLimited(HodhodError):
    """Too many of these; `retry_after` tells in seconds when to come back."""

    code = ErrorCode.RATE_LIMITED


class Overloaded(HodhodError):
    """A queue is full. Nothing was done; the same request may be sent again after `retry_after`."""

    code = ErrorCode.OVERLOADED


class Internal(HodhodError):
    """A defect of ours, logged under the request's id."""

    code = ErrorCode.INTERNAL


class PhoneInvalid(HodhodError):
    """Not a mobile number, in any of the spellings in use."""

    code = ErrorCode.PHONE_INVALID


class NameInvalid(HodhodError):
    """A name has 1 to 64 characters after trimming, and at least one that can be seen."""

    code = ErrorCode.NAME_INVALID


class NameRequired(HodhodError):
    """The number is new and needs a name. The code was right: repeat `verify` with a name."""

    code = ErrorCode.NAME_REQUIRED


class ChallengeNotFound(HodhodError):
    """No challenge has this id and secret."""

    code = ErrorCode.CHALLENGE_NOT_FOUND


class ChallengeExpired(HodhodError):
    """Ten minutes have passed since the last code was handed over."""

    code = ErrorCode.CHALLENGE_EXPIRED


class CodeMalformed(HodhodError):
    """Not six digits after spaces, marks and digit shapes were normalised. No try is used up."""

    code = ErrorCode.CODE_MALFORMED


class CodeWrong(HodhodError):
    """Six digits, and not the code; `tries_left` tells how many tries remain."""

    code = ErrorCode.CODE_WRONG


class TriesExhausted(HodhodError):
    """The challenge, or the number for today, has no tries left."""

    code = ErrorCode.TRIES_EXHAUSTED


class ProofOfWorkRequired(HodhodError):
    """The request has a price now: solve `challenge` (ALTCHA v2) and send it again with `proof`."""

    code = ErrorCode.PROOF_OF_WORK_REQUIRED


class CountryNotServed(HodhodError):
    """Numbers of this country get no codes here."""

    code = ErrorCode.COUNTRY_NOT_SERVED


class TextUsInstead(HodhodError):
    """No text is sent to this number, or from this address, now; a text to us still works."""

    code = ErrorCode.TEXT_US_INSTEAD


class TicketInvalid(HodhodError):
    """The waiting-room ticket is too old, or of another number or device: ask without one."""

    code = ErrorCode.TICKET_INVALID


class RefreshTokenInvalid(HodhodError):
    """Unknown, expired, or of an ended session."""

    code = ErrorCode.REFRESH_TOKEN_INVALID


class RefreshTokenReused(HodhodError):
    """An old refresh token came again after its successor was used: the session is ended."""

    code = ErrorCode.REFRESH_TOKEN_REUSED


class DeviceNotFound(HodhodError):
    """No such device among the caller's, or it has no key, or it was signed out."""

    code = ErrorCode.DEVICE_NOT_FOUND


class SignatureInvalid(HodhodError):
    """The device key did not make this signature, or it was used before."""

    code = ErrorCode.SIGNATURE_INVALID


class ClockSkewed(HodhodError):
    """The signed time is too far from the server's; sign again with `server_time`."""

    code = ErrorCode.CLOCK_SKEWED


class RecoveryKeyInvalid(HodhodError):
    """No account of this number has this key, or it has ended: sign in by a code."""

    code = ErrorCode.RECOVERY_KEY_INVALID


class PinRequired(HodhodError):
    """The number was proved and a PIN guards the account: the same again with `pin`. From
    `fresh_from` (ms) on, `fresh` gives the number a fresh account instead."""

    code = ErrorCode.PIN_REQUIRED


class PinWrong(HodhodError):
    """Not the PIN; `tries_left` tells how many tries remain."""

    code = ErrorCode.PIN_WRONG


class PinInvalid(HodhodError):
    """A PIN has 4 to 20 characters after digit shapes and spaces were normalised."""

    code = ErrorCode.PIN_INVALID


class Held(HodhodError):
    """The device came in by a text alone and may not do this until `until` (ms). A PIN or one-time
    code lifts the hold."""

    code = ErrorCode.HELD


class SignInNumberWrong(HodhodError):
    """Not the number that the new device shows. It is asked once: the code still works there."""

    code = ErrorCode.SIGN_IN_NUMBER_WRONG


class DeviceLinkInvalid(HodhodError):
    """Not a link of this server, or expired, or used."""

    code = ErrorCode.DEVICE_LINK_INVALID


class TotpRequired(HodhodError):
    """The number was proved and one-time codes guard the account: the same again with `totp`. From
    `fresh_from` (ms) on, `fresh` gives the number a fresh account instead."""

    code = ErrorCode.TOTP_REQUIRED


class TotpWrong(HodhodError):
    """Not a one-time code of now, or used before; `tries_left` tells how many tries remain."""

    code = ErrorCode.TOTP_WRONG


class NumberTaken(HodhodError):
    """The new number has an account that was seen lately, or that a PIN guards."""

    code = ErrorCode.NUMBER_TAKEN


class PasskeyInvalid(HodhodError):
    """Not a passkey of this server, or its answer is not to our question."""

    code = ErrorCode.PASSKEY_INVALID


class ChatNotFound(HodhodError):
    """The chat does not exist, or the caller may not know that it does."""

    code = ErrorCode.CHAT_NOT_FOUND


class UserNotFound(HodhodError):
    """The user does not exist, or is not reachable under this phone."""

    code = ErrorCode.USER_NOT_FOUND


class MessageNotFound(HodhodError):
    """No message has this seq in the chat, or it holds no file."""

    code = ErrorCode.MESSAGE_NOT_FOUND


class ClientIdReused(HodhodError):
    """`client_id` names one message for ever; this one is in another chat."""

    code = ErrorCode.CLIENT_ID_REUSED


class TitleInvalid(HodhodError):
    """A title has 1 to 128 characters after trimming, and at least one that can be seen."""

    code = ErrorCode.TITLE_INVALID


class MemberNotFound(HodhodError):
    """The person is not a member of the chat, is not banned from it, or has not asked to join."""

    code = ErrorCode.MEMBER_NOT_FOUND


class InviteNotFound(HodhodError):
    """No link has this token; or it was revoked, has expired, or is used up."""

    code = ErrorCode.INVITE_NOT_FOUND


class Banned(HodhodError):
    """The person was banned from the chat; `until` tells in ms until when, absent: for good."""

    code = ErrorCode.BANNED


class Muted(HodhodError):
    """An admin has muted the caller in this chat; `until` tells in ms until when."""

    code = ErrorCode.MUTED


class SlowMode(HodhodError):
    """The caller wrote in this chat moments ago; `retry_after` tells when the next is accepted."""

    code = ErrorCode.SLOW_MODE


class LimitReached(HodhodError):
    """Members, admins or links of the chat: the limits are in `/.well-known/hodhod`."""

    code = ErrorCode.LIMIT_REACHED


class MediaNotFound(HodhodError):
    """No finished upload of the caller's has this id."""

    code = ErrorCode.MEDIA_NOT_FOUND


class MediaNotReady(HodhodError):
    """The file is being looked at, and nobody may have it before; ask again after `retry_after`."""

    code = ErrorCode.MEDIA_NOT_READY


class MediaRefused(HodhodError):
    """Nobody gets the file: it holds a virus, or tells where it was taken and cannot be cleaned."""

    code = ErrorCode.MEDIA_REFUSED


class LinkInvalid(HodhodError):
    """The signature of the media link does not match."""

    code = ErrorCode.LINK_INVALID


class LinkExpired(HodhodError):
    """The media link is too old: ask for a new one."""

    code = ErrorCode.LINK_EXPIRED


class RangeNotSatisfiable(HodhodError):
    """The range starts at or beyond the end of the file."""

    code = ErrorCode.RANGE_NOT_SATISFIABLE
