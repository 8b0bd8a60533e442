"""AWS Signature Version 4, as much of it as an object store asks for.

Only the headers that S3 requires are signed. The hash of the body is the caller's: a part is hashed
while it is gathered, so that what arrives is checked against what was taken from the client.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from hodhod_server.domain.secret import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
NOTHING_SHA256: Final = hashlib.sha256(b"").hexdigest()


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose requests they are. `region` is a word both sides agree on, whatever the store is."""

    access_key: str
    secret_key: Secret
    region: str

    def signed(
        self, request: Unsigned, headers: Mapping[str, str], now: datetime
    ) -> dict[str, str]:
        """`headers` (which hold `host`) with those that prove the sender."""
        moment = now.strftime("%Y%m%dT%H%M%SZ")
        own = {"x-amz-content-sha256": request.body_sha256, "x-amz-date": moment}
        signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()} | own
        names = ";".join(sorted(signed))
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        text = "\n".join(
            [
                request.method,
                request.path,
                canonical_query(request.query),
                *(f"{name}:{signed[name]}" for name in sorted(signed)),
                "",
                names,
                request.body_sha256,
            ]
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        to_sign = "\n".join([_ALGORITHM, moment, scope, digest])
        signature = hmac.digest(self._key(moment[:8]), to_sign.encode(), "sha256").hex()
        credential = f"{self.access_key}/{scope}"
        proof = f"Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return signed | {"authorization": f"{_ALGORITHM} {proof}"}

    def _key(self, day: str) -> bytes:
        key = b"AWS4" + self.secret_key.reveal()
        for step in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        return key


class Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `path` is encoded already; `body_sha256` is in hex."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body_sha256: str = NOTHING_SHA256


def canonical_query(query: Iterable[tuple[str, str]]) -> str:
    """The query as it is signed, and as it must be sent."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in encoded)
