"""The code that a newcomer sends to us: the way that needs nothing of ours to arrive.

Eight characters (40 bits) of an alphabet without lookalikes, derived from the challenge and never
stored. It is accepted from the challenge's own number only, so that guessing it is of no use.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import sign
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.text import ascii_digits, without_invisible

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_CHARS: Final = 8
TAG_CHARS: Final = 2
TEXT_CHARS_MAX: Final = 500  # more is no answer to "send us these eight characters"
_BITS: Final = 5
_LOOKALIKES: Final = str.maketrans("01IO", "QLLQ")  # not in the alphabet: what was meant instead
_CANDIDATE: Final = re.compile(rf"[{ALPHABET}]{{{CODE_CHARS}}}")


class InboundCode:
    """Eight characters that only `text` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def text(self) -> str:
        return self._text

    def is_in(self, candidates: frozenset[str]) -> bool:
        """Is it one of these? The time taken tells nothing of the code."""
        is_same = [hmac.compare_digest(self._text, candidate) for candidate in candidates]
        return any(is_same)

    def __repr__(self) -> str:
        return "InboundCode(***)"


def derive_inbound_code(key: Secret, challenge: ChallengeId) -> InboundCode:
    """The code of a challenge."""
    return InboundCode(_spell(sign(key, b"inbound", challenge.encode()), CODE_CHARS))


def tag_of(key: Secret, challenge: ChallengeId) -> str:
    """Two characters on the screen and in the text: which of two devices a code is for."""
    return _spell(sign(key, b"tag", challenge.encode()), TAG_CHARS)


def candidates_in(text: str) -> frozenset[str]:
    """Everything in a person's text that might be a code, however it was typed."""
    plain = without_invisible(ascii_digits(text[:TEXT_CHARS_MAX])).upper()
    spelled = re.sub(r"[^0-9A-Z]", " ", plain).translate(_LOOKALIKES)
    found = {word for word in spelled.split() if len(word) == CODE_CHARS}
    joined = spelled.replace(" ", "")
    found |= {
        joined[at : at + CODE_CHARS]
        for at in range(len(joined) - CODE_CHARS + 1)
        if _CANDIDATE.match(joined, at)
    }
    return frozenset(found)


def _spell(digest: bytes, characters: int) -> str:
    number = int.from_bytes(digest[:8], "big")
    return "".join(ALPHABET[(number >> (_BITS * place)) & 31] for place in range(characters))
