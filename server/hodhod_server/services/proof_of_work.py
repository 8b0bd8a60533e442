"""Proof of work: a price in seconds of the asking device (ALTCHA v2, deterministic mode).

The server picks the number to be found and keeps nothing: the challenge is signed, the key to be
found is signed by another secret, and checking a solution is two HMACs. A challenge is bound to
what it pays for, so that nobody solves for another number in advance.

Always true: in one process a proof is good once. Another process would take it a second time, for
the same number only, which that number's own limits bound.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final

import altcha
import msgspec

from hodhod_server.domain.errors import Overloaded, ProofOfWorkRequired
from hodhod_server.domain.keys import base64url, derive, sign
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.door import DoorSettings
from hodhod_server.telemetry import metrics

ALGORITHM: Final = "PBKDF2/SHA-256"
PROOF_CHARS_MAX: Final = 2_048
BOUND_BYTES: Final = 9
SPREAD: Final = 4  # guesses lie between 3/4 and all of the price: nobody is lucky or unlucky
_RESULTS: Final = {
    name: metrics.DOOR_PROOFS.labels(name) for name in ("good", "bad", "late", "used", "low")
}


class _Data(msgspec.Struct):
    level: int
    use: str


class _Parameters(msgspec.Struct, rename="camel"):
    nonce: str
    expires_at: int
    data: _Data


class _Challenge(msgspec.Struct):
    parameters: _Parameters


class _Payload(msgspec.Struct):
    challenge: _Challenge


class Paid(msgspec.Struct, frozen=True):
    """A proof that holds: of which price, and its name, by which it is used up."""

    level: int
    nonce: str
    expires_s: int


class Used:
    """The proofs used lately; those of two periods ago have expired and are forgotten."""

    def __init__(self, most: int, period_s: float) -> None:
        self._most = most
        self._period_s = period_s
        self._began = 0
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def use(self, nonce: str, now_s: float) -> bool:
        """Is this the first time? Raises `Overloaded` where no more can be remembered."""
        period = int(now_s // self._period_s)
        if period != self._began:
            self._old = self._young if period == self._began + 1 else set()
            self._young, self._began = set(), period
        if nonce in self._young or nonce in self._old:
            return False
        if len(self) >= self._most:
            raise Overloaded(retry_after_s=self._period_s)
        self._young.add(nonce)
        return True


class ProofOfWork:
    """Names prices and checks what was paid."""

    def __init__(self, settings: DoorSettings, key: Secret) -> None:
        self._settings = settings
        self._use_key = derive(key, "use")
        self._challenge_key = derive(key, "challenge").reveal()
        self._answer_key = derive(key, "answer").reveal()
        self._used = Used(settings.proofs_max, settings.proof_s)

    def price(self, level: int, use: bytes, now_s: float) -> ProofOfWorkRequired:
        """The refusal that carries a challenge of this price for this use."""
        most = self._settings.proof_guesses[level - 1]
        challenge = altcha.create_challenge(
            ALGORITHM,
            self._settings.proof_cost,
            counter=most - secrets.randbelow(most // SPREAD + 1),
            expires_at=int(now_s) + self._settings.proof_s,
            data={"level": level, "use": self._bound(use)},
            hmac_secret=self._challenge_key,
            hmac_key_secret=self._answer_key,
        )
        return ProofOfWorkRequired(challenge=challenge.to_dict())

    def level_of(self, proof: str | None, use: bytes, now_s: float) -> Paid | None:
        """What this proof has paid for this use; `None`: nothing. It is not used up yet."""
        if proof is None:
            return None
        paid = self._read(proof, use, now_s)
        if paid is None:
            _RESULTS["bad"].inc()
        return paid

    def spend(self, paid: Paid, now_s: float) -> bool:
        """Use the proof up. False: it was used before. Raises `Overloaded`."""
        is_first = self._used.use(paid.nonce, now_s)
        _RESULTS["good" if is_first else "used"].inc()
        return is_first

    def _bound(self, use: bytes) -> str:
        return base64url(sign(self._use_key, use)[:BOUND_BYTES])

    def _read(self, proof: str, use: bytes, now_s: float) -> Paid | None:
        """The cheapest questions first: garbage costs little."""
        if len(proof) > PROOF_CHARS_MAX:
            return None
        try:
            text = base64.b64decode(proof, validate=True)
            told = msgspec.json.decode(text, type=_Payload).challenge.parameters
            members: dict[str, Any] = msgspec.json.decode(text)
            payload = altcha.Payload.from_dict(members)
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if told.expires_at <= now_s or told.data.use != self._bound(use):
            return None
        checked = altcha.verify_solution(
            payload, self._challenge_key, hmac_key_secret=self._answer_key
        )
        return Paid(told.data.level, told.nonce, told.expires_at) if checked.verified else None
