"""The closed list of error codes, what each tells a person, and whether trying again can help.

The same codes travel in `error` frames and in RFC 9457 problem documents. Titles are for people and
may be reworded; programs branch on the code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class ErrorCode(StrEnum):
    """What went wrong, in one word that never changes its meaning."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    WRONG_STATE = "wrong_state"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"

    PHONE_INVALID = "phone_invalid"
    NAME_INVALID = "name_invalid"
    NAME_REQUIRED = "name_required"
    CHALLENGE_NOT_FOUND = "challenge_not_found"
    CHALLENGE_EXPIRED = "challenge_expired"
    CODE_MALFORMED = "code_malformed"
    CODE_WRONG = "code_wrong"
    TRIES_EXHAUSTED = "tries_exhausted"
    PROOF_OF_WORK_REQUIRED = "proof_of_work_required"
    COUNTRY_NOT_SERVED = "country_not_served"
    TEXT_US_INSTEAD = "text_us_instead"
    TICKET_INVALID = "ticket_invalid"

    REFRESH_TOKEN_INVALID = "refresh_token_invalid"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    DEVICE_NOT_FOUND = "device_not_found"
    SIGNATURE_INVALID = "signature_invalid"
    CLOCK_SKEWED = "clock_skewed"

    RECOVERY_KEY_INVALID = "recovery_key_invalid"
    PIN_REQUIRED = "pin_required"
    PIN_WRONG = "pin_wrong"
    PIN_INVALID = "pin_invalid"
    HELD = "held"
    SIGN_IN_NUMBER_WRONG = "sign_in_number_wrong"
    DEVICE_LINK_INVALID = "device_link_invalid"
    TOTP_REQUIRED = "totp_required"
    TOTP_WRONG = "totp_wrong"
    NUMBER_TAKEN = "number_taken"
    PASSKEY_INVALID = "passkey_invalid"
    CHAT_NOT_FOUND = "chat_not_found"
    USER_NOT_FOUND = "user_not_found"
    MESSAGE_NOT_FOUND = "message_not_found"
    CLIENT_ID_REUSED = "client_id_reused"

    TITLE_INVALID = "title_invalid"
    MEMBER_NOT_FOUND = "member_not_found"
    INVITE_NOT_FOUND = "invite_not_found"
    BANNED = "banned"
    MUTED = "muted"
    SLOW_MODE = "slow_mode"
    LIMIT_REACHED = "limit_reached"

    MEDIA_NOT_FOUND = "media_not_found"
    MEDIA_NOT_READY = "media_not_ready"
    MEDIA_REFUSED = "media_refused"
    UPLOAD_NOT_FOUND = "upload_not_found"
    UPLOAD_EXPIRED = "upload_expired"
    UPLOAD_BUSY = "upload_busy"
    OFFSET_MISMATCH = "offset_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    FILE_TYPE_REFUSED = "file_type_refused"
    TUS_VERSION_UNSUPPORTED = "tus_version_unsupported"
    STORAGE_FULL = "storage_full"
    QUOTA_EXCEEDED = "quota_exceeded"
    LINK_INVALID = "link_invalid"
    LINK_EXPIRED = "link_expired"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"


class ErrorText(NamedTuple):
    """What a person reads, and whether the same request may succeed later."""

    en: str
    fa: str
    may_retry: bool = False


ERROR_TEXTS: Final[dict[ErrorCode, ErrorText]] = {
    ErrorCode.MALFORMED: ErrorText(
        "The request is not well formed.", "درخواست ساختار درستی ندارد."
    ),
    ErrorCode.TOO_LARGE: ErrorText("The request is too large.", "درخواست بیش از اندازه بزرگ است."),
    ErrorCode.NOT_FOUND: ErrorText("There is nothing at this address.", "چیزی در این نشانی نیست."),
    ErrorCode.METHOD_NOT_ALLOWED: ErrorText(
        "This address does not take this method.", "این نشانی این روش را نمی‌پذیرد."
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: ErrorText(
        "The content type is not supported.", "نوع محتوا پشتیبانی نمی‌شود."
    ),
    ErrorCode.UNAUTHENTICATED: ErrorText("Please sign in again.", "لطفاً دوباره وارد شوید."),
    ErrorCode.FORBIDDEN: ErrorText("You may not do this.", "اجازهٔ این کار را ندارید."),
    ErrorCode.WRONG_STATE: ErrorText(
        "This cannot be done at this point.", "این کار در این مرحله ممکن نیست."
    ),
    ErrorCode.RATE_LIMITED: ErrorText(
        "Too many requests. Please wait.", "درخواست‌ها زیاد است. کمی صبر کنید.", may_retry=True
    ),
    ErrorCode.OVERLOADED: ErrorText(
        "The server is busy. Please try again shortly.",
        "سرور شلوغ است. کمی بعد دوباره تلاش کنید.",
        may_retry=True,
    ),
    ErrorCode.INTERNAL: ErrorText(
        "Something went wrong on our side.", "خطایی در سرور رخ داد.", may_retry=True
    ),
    ErrorCode.PHONE_INVALID: ErrorText(
        "This is not a valid mobile number.", "این شمارهٔ همراه درست نیست."
    ),
    ErrorCode.NAME_INVALID: ErrorText("This name cannot be used.", "این نام پذیرفته نیست."),
    ErrorCode.NAME_REQUIRED: ErrorText("Please tell your name.", "لطفاً نام خود را بنویسید."),
    ErrorCode.CHALLENGE_NOT_FOUND: ErrorText(
        "This sign-up does not exist. Please start again.",
        "این ثبت‌نام پیدا نشد. لطفاً از نو آغاز کنید.",
    ),
    ErrorCode.CHALLENGE_EXPIRED: ErrorText(
        "The code has expired. Please ask for a new one.",
        "مهلت کد گذشته است. کد تازه‌ای بخواهید.",
    ),
    ErrorCode.CODE_MALFORMED: ErrorText("The code has six digits.", "کد شش رقم دارد."),
    ErrorCode.CODE_WRONG: ErrorText("The code is not right.", "کد درست نیست."),
    ErrorCode.TRIES_EXHAUSTED: ErrorText(
        "Too many wrong codes. Please wait before you start again.",
        "کد چند بار نادرست وارد شد. پیش از آغاز دوباره صبر کنید.",
    ),
    ErrorCode.PROOF_OF_WORK_REQUIRED: ErrorText(
        "Your device has to do a small computation first.",
        "دستگاه شما باید نخست محاسبهٔ کوچکی انجام دهد.",
    ),
    ErrorCode.COUNTRY_NOT_SERVED: ErrorText(
        "We send no codes to this country.", "به این کشور کد فرستاده نمی‌شود."
    ),
    ErrorCode.TEXT_US_INSTEAD: ErrorText(
        "We cannot send a code there now. Please send us a text instead.",
        "اکنون نمی‌توانیم به آنجا کد بفرستیم. لطفاً شما به ما پیامک بفرستید.",
    ),
    ErrorCode.TICKET_INVALID: ErrorText(
        "This place in line is no longer valid. Please start again.",
        "این نوبت دیگر معتبر نیست. لطفاً از نو آغاز کنید.",
    ),
    ErrorCode.REFRESH_TOKEN_INVALID: ErrorText(
        "This session is over. Please sign in again.",
        "این نشست به پایان رسیده است. دوباره وارد شوید.",
    ),
    ErrorCode.REFRESH_TOKEN_REUSED: ErrorText(
        "This session was used from two places and has been ended for safety.",
        "این نشست از دو جا استفاده شد و برای ایمنی پایان یافت.",
    ),
    ErrorCode.DEVICE_NOT_FOUND: ErrorText(
        "This device is not known or was signed out.",
        "این دستگاه شناخته نیست یا از آن خارج شده‌اید.",
    ),
    ErrorCode.SIGNATURE_INVALID: ErrorText(
        "The signature does not match the device key.", "امضا با کلید دستگاه نمی‌خواند."
    ),
    ErrorCode.CLOCK_SKEWED: ErrorText(
        "The clock of the device is off.", "ساعت دستگاه درست نیست.", may_retry=True
    ),
    ErrorCode.RECOVERY_KEY_INVALID: ErrorText(
        "This key does not let you in. Please ask for a code.",
        "این کلید شما را وارد نمی‌کند. لطفاً کد بخواهید.",
    ),
    ErrorCode.PIN_REQUIRED: ErrorText(
        "Please enter the PIN of your account.",
        "لطفاً رمز حساب خود را وارد کنید.",
    ),
    ErrorCode.PIN_WRONG: ErrorText(
        "The PIN is not right.",
        "رمز درست نیست.",
    ),
    ErrorCode.PIN_INVALID: ErrorText(
        "A PIN has 4 to 20 characters.",
        "رمز ۴ تا ۲۰ نویسه دارد.",
    ),
    ErrorCode.HELD: ErrorText(
        "This device came in by a text message and has to wait before it may do this.",
        "این دستگاه با پیامک وارد شده و برای این کار باید صبر کند.",
    ),
    ErrorCode.SIGN_IN_NUMBER_WRONG: ErrorText(
        "This is not the number on the other screen.",
        "این عدد روی صفحهٔ دیگر نیست.",
    ),
    ErrorCode.DEVICE_LINK_INVALID: ErrorText(
        "This link is over or not valid. Please show a new one.",
        "مهلت این پیوند گذشته یا پیوند نادرست است. پیوند تازه‌ای نشان دهید.",
    ),
    ErrorCode.TOTP_REQUIRED: ErrorText(
        "Please enter the code of your authenticator app.",
        "لطفاً کد برنامهٔ رمزساز را وارد کنید.",
    ),
    ErrorCode.TOTP_WRONG: ErrorText(
        "This one-time code is not right or was used.",
        "این رمز یک‌بارمصرف درست نیست یا به کار رفته است.",
    ),
    ErrorCode.NUMBER_TAKEN: ErrorText(
        "This number belongs to another account.",
        "این شماره از آنِ حساب دیگری است.",
    ),
    ErrorCode.PASSKEY_INVALID: ErrorText(
        "This passkey does not let you in.",
        "این گذرکلید شما را وارد نمی‌کند.",
    ),
    ErrorCode.CHAT_NOT_FOUND: ErrorText("There is no such chat.", "چنین گفت‌وگویی نیست."),
    ErrorCode.USER_NOT_FOUND: ErrorText("There is no such user.", "چنین کاربری نیست."),
    ErrorCode.MESSAGE_NOT_FOUND: ErrorText("There is no such message.", "چنین پیامی نیست."),
    ErrorCode.CLIENT_ID_REUSED: ErrorText(
        "This client_id was used for another chat.",
        "این client_id پیش‌تر در گفت‌وگوی دیگری به کار رفته است.",
    ),
    ErrorCode.TITLE_INVALID: ErrorText("This title cannot be used.", "این عنوان پذیرفته نیست."),
    ErrorCode.MEMBER_NOT_FOUND: ErrorText(
        "This person is not in the chat.", "این شخص در گفت‌وگو نیست."
    ),
    ErrorCode.INVITE_NOT_FOUND: ErrorText(
        "This invitation does not exist or is over.", "این دعوت وجود ندارد یا پایان یافته است."
    ),
    ErrorCode.BANNED: ErrorText(
        "This person may not come into the chat.", "ورود این شخص به گفت‌وگو ممکن نیست."
    ),
    ErrorCode.MUTED: ErrorText(
        "You may not write here for now.", "فعلاً اجازهٔ نوشتن در اینجا را ندارید."
    ),
    ErrorCode.SLOW_MODE: ErrorText(
        "This chat is in slow mode. Please wait before you write again.",
        "این گفت‌وگو در حالت آهسته است. پیش از نوشتن دوباره صبر کنید.",
        may_retry=True,
    ),
    ErrorCode.LIMIT_REACHED: ErrorText(
        "There are as many of these as there may be.", "به بیشترین تعداد مجاز رسیده است."
    ),
    ErrorCode.MEDIA_NOT_FOUND: ErrorText("There is no such file.", "چنین پرونده‌ای نیست."),
    ErrorCode.MEDIA_NOT_READY: ErrorText(
        "The file is still being prepared.", "پرونده هنوز آماده نیست.", may_retry=True
    ),
    ErrorCode.MEDIA_REFUSED: ErrorText(
        "The file is not safe to download.", "دریافت این پرونده امن نیست."
    ),
    ErrorCode.UPLOAD_NOT_FOUND: ErrorText("There is no such upload.", "چنین بارگذاری‌ای نیست."),
    ErrorCode.UPLOAD_EXPIRED: ErrorText(
        "This upload has expired. Please start again.",
        "مهلت این بارگذاری گذشته است. از نو آغاز کنید.",
    ),
    ErrorCode.UPLOAD_BUSY: ErrorText(
        "Another connection is writing this upload.",
        "اتصال دیگری در حال نوشتن این بارگذاری است.",
        may_retry=True,
    ),
    ErrorCode.OFFSET_MISMATCH: ErrorText(
        "The offset differs from the server's.", "جایگاه با سرور نمی‌خواند.", may_retry=True
    ),
    ErrorCode.CHECKSUM_MISMATCH: ErrorText(
        "The bytes were damaged on their way. Please send them again.",
        "داده‌ها در راه آسیب دیده‌اند. لطفاً دوباره بفرستید.",
        may_retry=True,
    ),
    ErrorCode.FILE_TYPE_REFUSED: ErrorText(
        "Files of this type cannot be sent here.",
        "فرستادن این نوع پرونده در اینجا ممکن نیست.",
    ),
    ErrorCode.TUS_VERSION_UNSUPPORTED: ErrorText(
        "This version of the tus protocol is not supported.",
        "این نسخه از پروتکل tus پشتیبانی نمی‌شود.",
    ),
    ErrorCode.STORAGE_FULL: ErrorText(
        "The server has no room for this file now.",
        "سرور اکنون برای این پرونده جا ندارد.",
        may_retry=True,
    ),
    ErrorCode.QUOTA_EXCEEDED: ErrorText(
        "Your storage is full. Delete files you no longer need.",
        "فضای ذخیرهٔ شما پر است. پرونده‌هایی را که لازم ندارید پاک کنید.",
    ),
    ErrorCode.LINK_INVALID: ErrorText("This link is not valid.", "این پیوند معتبر نیست."),
    ErrorCode.LINK_EXPIRED: ErrorText("This link has expired.", "مهلت این پیوند گذشته است."),
    ErrorCode.RANGE_NOT_SATISFIABLE: ErrorText(
        "The file does not have the range asked for.", "پرونده بازهٔ خواسته‌شده را ندارد."
    ),
}
