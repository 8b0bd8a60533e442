"""The settings of coming back without a text, and of what guards an account."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Positive


@dataclass(config=SECTION, kw_only=True)
class ReturningSettings:
    """[returning] Coming back without a text, and what guards an account."""

    idle_days: Positive = 30
    """An account unseen for longer is not given to who proves its number: it may be another's."""

    claim_days: Positive = 90
    """An account that lost its number can so long be entered by its other proofs."""

    pin_days: Positive = 7
    """So long after the account was last seen its PIN guards the number, too."""

    pin_tries_max: Positive = 10
    """Wrong PINs or one-time codes of an account."""

    pin_refill_s: Positive = 86_400
    """One more try comes back after so long: four digits hold for years."""

    key_tries_max: Positive = 10
    """Returns by key to one number, right or wrong; nobody guesses 256 bits, this bounds work."""

    key_refill_s: Positive = 360
    """One more return by key comes back after so long."""

    return_token_days: Positive = 90
    """A token that a device kept when it was signed out lets it in again for so long."""

    hold_s: Annotated[int, Field(ge=0)] = 86_400
    """A device let in by a text alone waits so long before it may touch what guards the account."""

    hashers_max: Positive = 1
    """PINs hashed at once by one process, each in a thread with 19 MiB for 30 ms."""

    hashes_waiting_max: Positive = 32
    """PINs waiting for a hasher; one more is refused as overloaded."""

    passkey_domain: str = ""
    """The domain (RP id) that passkeys belong to, `hodhod.example`. Empty: no passkeys."""

    passkey_origins: tuple[str, ...] = ()
    """From where they may be used: `https://hodhod.example`, `android:apk-key-hash:…`."""
