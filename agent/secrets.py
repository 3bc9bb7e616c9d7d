"""What looks like a live token, and which tokens are live; nothing here knows where the text comes from."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Shorter tokens cannot be told from ordinary text.
SHORTEST_TOKEN = 16

#: No text below this length is taken for a token by its looks.
SHORTEST_LOOK = 15

#: Older tokens are forgotten beyond this many; access tokens live for minutes to hours.
MOST_TOKENS = 4096

_WORD = 8


class TokenKind(StrEnum):
    """What a piece of text looks like; the value completes "holds ..."."""

    WEB = "a JSON web token"
    SLACK = "a Slack token"
    SLACK_HOOK = "a Slack webhook address"
    GITHUB = "a GitHub token"
    GITLAB = "a GitLab token"
    API_KEY = "an API key"
    AWS = "an AWS access key"
    GOOGLE = "a Google token"
    HUBSPOT = "a HubSpot token"
    STRIPE = "a Stripe key"
    BEARER = "a bearer token"
    PRIVATE_KEY = "a private key"
    LIVE = "a token that is in use"


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind of token looks.

    Attributes:
        marks: Texts of which one must occur, which is quick to see.
        in_text: The whole of it, not inside a longer word.
        in_bytes: The same among bytes, where anything may stand before it.
    """

    kind: TokenKind
    marks: tuple[str, ...]
    in_text: re.Pattern[str]
    in_bytes: re.Pattern[bytes]


LOOKS = tuple(
    Look(
        kind,
        marks,
        re.compile(rf"(?<![A-Za-z0-9]){pattern}", re.ASCII),
        re.compile(pattern.encode(), re.ASCII),
    )
    for kind, marks, pattern in (
        (TokenKind.WEB, ("eyJ",), r"eyJ[\w-]{8,}\.[\w-]*\.[\w.-]{8,}"),
        (TokenKind.SLACK, ("xox", "xapp-"), r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}"),
        (
            TokenKind.SLACK_HOOK,
            ("hooks.slack.com/",),
            r"hooks\.slack\.com/(?:services|workflows)/\w+/\w+/\w{8,}",
        ),
        (TokenKind.GITHUB, ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{30,}"),
        (TokenKind.GITHUB, ("github_pat_",), r"github_pat_\w{30,}"),
        (TokenKind.GITLAB, ("glpat-",), r"glpat-[\w-]{18,}"),
        (TokenKind.API_KEY, ("sk-",), r"sk-(?=[\w-]*\d)[\w-]{20,}"),
        (TokenKind.AWS, ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}"),
        (TokenKind.GOOGLE, ("AIza", "ya29."), r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,})"),
        (TokenKind.HUBSPOT, ("pat-",), r"pat-\w{2,4}-[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}"),
        (
            TokenKind.STRIPE,
            ("k_live_", "k_test_", "whsec_"),
            r"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}",
        ),
        (TokenKind.BEARER, ("earer ", "EARER "), r"[Bb](?:earer|EARER) +(?=\S*\d)[\w.~+/=-]{16,}"),
        (TokenKind.PRIVATE_KEY, ("PRIVATE KEY-----",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    )
)


def looks_like_token(text: str, among: Iterable[Look] = LOOKS) -> TokenKind | None:
    """What kind of credential stands somewhere in this text, by its looks; None when none does."""
    if len(text) < SHORTEST_LOOK:
        return None
    return next((look.kind for look in among if look.in_text.search(text)), None)


def looks_in(body: bytes) -> Sequence[Look]:
    """The looks that a text among these bytes might have; mostly none, and quick to tell."""
    return [
        look
        for look in LOOKS
        if any(mark.encode() in body for mark in look.marks) and look.in_bytes.search(body)
    ]


class LiveTokens:
    """Every token handed out in this process, kept only as keyed hashes, to be recognised inside other text.

    Of each token the first 15 bytes are noted as eight overlapping words of eight bytes: one of them lies on a
    multiple of eight wherever the token stands, so that a text is searched eight bytes at a time.
    """

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._lengths: dict[bytes, int] = {}
        self._words: dict[int, tuple[tuple[int, bytes], ...]] = {}

    def remember(self, token: str) -> None:
        """From now on recognise this token; call it before anybody can see the token.

        Raises:
            ValueError: It is shorter than `SHORTEST_TOKEN` bytes.
        """
        body = token.encode()
        if len(body) < SHORTEST_TOKEN:
            raise ValueError(f"a token has at least {SHORTEST_TOKEN} bytes; this one has {len(body)}")
        digest = self._digest(body)
        if digest in self._lengths:
            return
        for offset in range(_WORD):
            word = int.from_bytes(body[offset : offset + _WORD], "little")
            self._words[word] = (*self._words.get(word, ()), (offset, digest))
        self._lengths[digest] = len(body)
        if len(self._lengths) > MOST_TOKENS:
            self._forget(next(iter(self._lengths)))

    def occur_in(self, body: bytes) -> bool:
        """True when one of the tokens stands anywhere in these bytes."""
        if not self._words:
            return False
        whole = len(body) - len(body) % _WORD
        words = _words_of(body[:whole])
        if self._words.keys().isdisjoint(words):
            return False
        return any(
            self._stands_at(body, at * _WORD - offset, digest)
            for at, word in enumerate(words)
            for offset, digest in self._words.get(word, ())
        )

    def _stands_at(self, body: bytes, start: int, digest: bytes) -> bool:
        length = self._lengths.get(digest, 0)
        return start >= 0 and length > 0 and self._digest(body[start : start + length]) == digest

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self._key, digest_size=16).digest()

    def _forget(self, digest: bytes) -> None:
        del self._lengths[digest]
        for word, places in tuple(self._words.items()):
            if kept := tuple(place for place in places if place[1] != digest):
                self._words[word] = kept
            else:
                del self._words[word]


def _words_of(body: bytes) -> Sequence[int]:
    return struct.unpack(f"<{len(body) // _WORD}Q", body)
