"""What strangers' files hold, found out by children that can do no harm."""

from __future__ import annotations
