"""Encrypts what the store holds, with keys that are never in it: AES-256-GCM (NIST SP 800-38D), one nonce each time.

What is sealed says with which key, so keys can be changed while everything runs: the first key seals, any opens.
What was written before there was a key is read as it stands.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import BadSetting, SaysoError

#: Where keys come from: base64 of 32 bytes each, separated by commas, the one that seals first.
STATE_KEYS = "SAYSO_STATE_KEYS"

_KEY_BYTES, _NAME_BYTES, _NONCE_BYTES = 32, 4, 12
#: No JSON text and no type name of a serializer begins with it.
_MARK = b"\x01sealed\x01"


class CannotOpen(SaysoError):
    """What is stored was sealed with a key that is not here, or changed after it was sealed."""


class Seal:
    """Seals and opens bytes; without keys it leaves them as they are, and opens nothing sealed."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        """Take keys of 32 bytes each, the one that seals first."""
        self._keys = {_name(key): AESGCM(key) for key in keys}

    def opening(self, key: bytes) -> Seal:
        """The same, which opens what this key sealed as well, and seals with it if it has no other."""
        both = Seal()
        both._keys = {**self._keys, _name(key): AESGCM(key)}
        return both

    @property
    def names(self) -> tuple[str, ...]:
        """A name of each key, 8 hex digits, in their order: it tells keys apart and nothing about them."""
        return tuple(name.hex() for name in self._keys)

    def close(self, about: str, body: bytes) -> bytes:
        """Sealed bytes, which open only as what they are about."""
        if not self._keys:
            return body
        name, key = next(iter(self._keys.items()))
        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + name + nonce + key.encrypt(nonce, body, about.encode())

    def open_sealed(self, about: str, stored: bytes) -> bytes:
        """What was sealed, and nothing that anybody wrote there in the clear. Raises: CannotOpen."""
        if not stored.startswith(_MARK):
            raise CannotOpen(f"This was not sealed here, so it is not believed: {about}.")
        return self.open(about, stored)

    def open(self, about: str, stored: bytes) -> bytes:
        """What was sealed, or what was never sealed as it stands. Raises: CannotOpen."""
        if not stored.startswith(_MARK):
            return stored
        at = len(_MARK)
        name, nonce = (
            stored[at : at + _NAME_BYTES],
            stored[at + _NAME_BYTES : at + _NAME_BYTES + _NONCE_BYTES],
        )
        key = self._keys.get(name)
        if key is None:
            raise CannotOpen(f"{STATE_KEYS} lacks the key {name.hex()} that this was sealed with: {about}.")
        try:
            return key.decrypt(nonce, stored[at + _NAME_BYTES + _NONCE_BYTES :], about.encode())
        except InvalidTag:
            raise CannotOpen(
                f"This was changed after it was sealed, or belongs elsewhere: {about}."
            ) from None


#: Seals nothing.
UNSEALED = Seal()


def read_keys(text: str) -> Seal:
    """The keys as `STATE_KEYS` names them; none in an empty text. Raises: BadSetting, without a word of any key."""
    keys = [_key(number, part.strip()) for number, part in enumerate(text.split(","), 1) if text.strip()]
    if len(set(keys)) < len(keys):
        raise BadSetting(f"{STATE_KEYS} names one key twice.")
    return Seal(keys)


def _key(number: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadSetting(
            f"{STATE_KEYS}: key {number} is not base64 of 32 bytes; `openssl rand -base64 32` makes one."
        )
    return key


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"sayso state key\0" + key).digest()[:_NAME_BYTES]
