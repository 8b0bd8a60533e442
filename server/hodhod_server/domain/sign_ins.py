"""The number on the new device's screen that a signed-in device has to name to approve.

Who only presses "yes" on whatever comes would let a thief in; who has to pick the number has looked
at the other screen. It follows from the challenge, so nothing is stored.
"""

from __future__ import annotations

from typing import Final

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import sign
from hodhod_server.domain.secret import Secret

CHOICES: Final = 3
_LEAST: Final = 10
_SPAN: Final = 90


def sign_in_number(key: Secret, challenge: ChallengeId) -> int:
    """Two digits, shown where somebody wants to come in."""
    return _numbers(key, challenge)[0]


def sign_in_choices(key: Secret, challenge: ChallengeId) -> list[int]:
    """The number among others, in an order that tells nothing."""
    return sorted(_numbers(key, challenge))


def _numbers(key: Secret, challenge: ChallengeId) -> list[int]:
    found: list[int] = []
    for byte in sign(key, challenge.encode(errors="replace")):
        number = _LEAST + byte % _SPAN
        if number not in found:
            found.append(number)
        if len(found) == CHOICES:
            break
    return found
