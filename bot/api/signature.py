"""How callbacks are signed: the symmetric scheme of Standard Webhooks (HMAC-SHA256, "v1")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class CallbackSecret:
    """A secret as Standard Webhooks writes it: "whsec_" and 24 to 64 bytes in base64; never shown."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.text.startswith(_PREFIX) or not 24 <= len(self._bytes()) <= 64:
            raise ValueError(
                'it must be "whsec_" and 24 to 64 bytes in base64, from: openssl rand -base64 32'
            )

    def __str__(self) -> str:
        return "CallbackSecret(...)"

    def headers(self, id: str, at: datetime, body: bytes) -> Mapping[str, str]:
        """What a receiver checks a body with.

        Args:
            id: The same for the same news, however often it is sent.
            at: Wall time of this very attempt, UTC.
        """
        stamp = str(int(at.timestamp()))
        mac = hmac.new(self._bytes(), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        signed = base64.b64encode(mac).decode()
        return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signed}"}

    def _bytes(self) -> bytes:
        try:
            return base64.b64decode(self.text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            return b""
