"""What looks like a live token, and which tokens are live; nothing here knows where the text comes from."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import SchemaValidator, core_schema

#: Shorter tokens cannot be told from ordinary text.
SHORTEST_TOKEN = 16

#: No text below this length is taken for a token by its looks.
SHORTEST_LOOK = 15

#: Older tokens are forgotten beyond this many; access tokens live for minutes to hours.
MOST_TOKENS = 4096

_WORD = 8

#: A long token is looked for in greater steps, in bytes: most credentials are long, and most of the state holds none.
_STEPS = (32, 16, 8)


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
        in_text: The whole of it, not inside a longer word.
        in_bytes: The same among bytes, where anything may stand before it.
    """

    kind: TokenKind
    in_text: re.Pattern[str]
    in_bytes: re.Pattern[bytes]


LOOKS = tuple(
    Look(
        kind,
        re.compile(rf"(?<![A-Za-z0-9]){pattern}", re.ASCII),
        re.compile(pattern.encode(), re.ASCII),
    )
    for kind, pattern in (
        (TokenKind.WEB, r"eyJ[\w-]{8,}\.[\w-]*\.[\w.-]{8,}"),
        (TokenKind.SLACK, r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}"),
        (TokenKind.SLACK_HOOK, r"hooks\.slack\.com/(?:services|workflows)/\w+/\w+/\w{8,}"),
        (TokenKind.GITHUB, r"gh[pousr]_[A-Za-z0-9]{30,}"),
        (TokenKind.GITHUB, r"github_pat_\w{30,}"),
        (TokenKind.GITLAB, r"glpat-[\w-]{18,}"),
        (TokenKind.API_KEY, r"sk-(?=[\w-]*\d)[\w-]{20,}"),
        (TokenKind.AWS, r"A[KS]IA[A-Z0-9]{16}"),
        (TokenKind.GOOGLE, r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,})"),
        (TokenKind.HUBSPOT, r"pat-\w{2,4}-[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}"),
        (TokenKind.STRIPE, r"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}"),
        (TokenKind.BEARER, r"[Bb](?:earer|EARER) +(?=\S*\d)[\w.~+/=-]{16,}"),
        (TokenKind.PRIVATE_KEY, r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    )
)

#: All of them at once and without their look ahead, by the Rust engine that comes with pydantic: some ten times quicker
#: than one search per mark, and the state is searched each time it is stored.
_MAYBE = SchemaValidator(
    core_schema.str_schema(
        pattern="(?-u)"
        + "|".join(re.sub(r"\(\?=[^)]*\)", "", look.in_bytes.pattern.decode()) for look in LOOKS),
        regex_engine="rust-regex",
    )
)


def looks_like_token(text: str, among: Iterable[Look] = LOOKS) -> TokenKind | None:
    """What kind of credential stands somewhere in this text, by its looks; None when none does."""
    if len(text) < SHORTEST_LOOK:
        return None
    return next((look.kind for look in among if look.in_text.search(text)), None)


def looks_in(body: bytes) -> Sequence[Look]:
    """The looks that a text among these bytes might have; mostly none, and quick to tell."""
    if not _MAYBE.isinstance_python(body.decode("latin-1")):
        return ()
    return [look for look in LOOKS if look.in_bytes.search(body)]


@dataclass(frozen=True, slots=True)
class _Live:
    """What is kept of a token.

    Attributes:
        length: In bytes.
        step: How far apart the words lie that a text is searched by.
        words: The overlapping words of eight bytes with which it begins, one per byte of `step`.
    """

    length: int
    step: int
    words: tuple[int, ...]

    @classmethod
    def of(cls, body: bytes) -> _Live:
        step = next((step for step in _STEPS if 2 * (step + _WORD) <= len(body)), _WORD)
        starts = range(step)
        return cls(
            len(body), step, tuple(int.from_bytes(body[at : at + _WORD], sys.byteorder) for at in starts)
        )


class LiveTokens:
    """Every token handed out in this process, kept only as keyed hashes, to be recognised inside other text.

    Of each token the beginning is noted as overlapping words of eight bytes, of a longer one at most half of it: one
    of them lies on a multiple of the step wherever the token stands, so that a text is searched a step at a time.
    """

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._tokens: dict[bytes, _Live] = {}
        self._words: dict[int, dict[int, tuple[tuple[int, bytes], ...]]] = {step: {} for step in _STEPS}

    def remember(self, token: str) -> None:
        """From now on recognise this token; call it before anybody can see the token.

        Raises:
            ValueError: It is shorter than `SHORTEST_TOKEN` bytes.
        """
        body = token.encode()
        if len(body) < SHORTEST_TOKEN:
            raise ValueError(f"a token has at least {SHORTEST_TOKEN} bytes; this one has {len(body)}")
        digest = self._digest(body)
        if digest in self._tokens:
            return
        live = _Live.of(body)
        known = self._words[live.step]
        for offset, word in enumerate(live.words):
            known[word] = (*known.get(word, ()), (offset, digest))
        self._tokens[digest] = live
        if len(self._tokens) > MOST_TOKENS:
            self._forget(next(iter(self._tokens)))

    def occur_in(self, body: bytes) -> bool:
        """True when one of the tokens stands anywhere in these bytes."""
        if len(body) < SHORTEST_TOKEN:
            return False
        words = memoryview(body)[: len(body) - len(body) % _WORD].cast("Q")
        return any(
            self._one_in(body, words[:: step // _WORD].tolist(), step)
            for step, known in self._words.items()
            if known
        )

    def _one_in(self, body: bytes, words: Sequence[int], step: int) -> bool:
        known = self._words[step]
        if known.keys().isdisjoint(words):
            return False
        return any(
            self._stands_at(body, at * step - offset, digest)
            for at, word in enumerate(words)
            for offset, digest in known.get(word, ())
        )

    def _stands_at(self, body: bytes, start: int, digest: bytes) -> bool:
        end = start + self._tokens[digest].length
        return start >= 0 and self._digest(body[start:end]) == digest

    def _digest(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self._key, digest_size=16).digest()

    def _forget(self, digest: bytes) -> None:
        live = self._tokens.pop(digest)
        known = self._words[live.step]
        for word in set(live.words):
            if kept := tuple(place for place in known[word] if place[1] != digest):
                known[word] = kept
            else:
                del known[word]
