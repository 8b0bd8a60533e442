"""The secret of a challenge, which only its starter is told: derived from the id, never stored."""

from __future__ import annotations

import hmac

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import base64url, sign
from hodhod_server.domain.secret import Secret


def challenge_secret(key: Secret, challenge: ChallengeId) -> str:
    """What its starter shows to go on with it."""
    return base64url(sign(key, challenge.encode(errors="replace")))


def is_challenge_secret(key: Secret, challenge: ChallengeId, shown: str) -> bool:
    """Is it? An unknown id has no right secret either: one answer, in one time."""
    right = challenge_secret(key, challenge).encode()
    return hmac.compare_digest(shown.encode(errors="replace"), right)
