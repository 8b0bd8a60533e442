"""How big heavy tests are: small in the suite, whole with `TESTS_AT_FULL_SIZE=1`.

What a test proves may not depend on its size; what it finds by chance does. The suite has minutes.
"""

from __future__ import annotations

import os
from typing import Final, TypeVar

VARIABLE: Final = "TESTS_AT_FULL_SIZE"
T = TypeVar("T")


def sized(small: T, full: T) -> T:
    """The small one, unless the whole is asked for."""
    return full if os.environ.get(VARIABLE) else small
