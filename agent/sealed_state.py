"""Graph state that is encrypted before it reaches the store: LangGraph's own encrypting serializer, with sayso's keys."""

from __future__ import annotations

from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from ..approvals.sealing import Seal

_CIPHER, _ABOUT = "sayso", "graph state"


class _Cipher(CipherProtocol):
    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return _CIPHER, self._seal.close(_ABOUT, plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return self._seal.open(_ABOUT, ciphertext)


def sealed(serde: SerializerProtocol, seal: Seal) -> SerializerProtocol:
    """The serializer, which seals what it writes where there is a key, and reads both. Its reads raise CannotOpen."""
    return EncryptedSerializer(_Cipher(seal), serde) if seal.names else serde
