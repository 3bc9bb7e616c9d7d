"""Which tokens are live: recognised inside other text, and withheld there with whatever else looks like one."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..approvals.looks import Look, TokenKind, looks_like_token, withheld

#: Shorter tokens cannot be told from ordinary text.
SHORTEST_TOKEN = 16

#: Older tokens are forgotten beyond this many; access tokens live for minutes to hours.
MOST_TOKENS = 4096

_WORD = 8

#: A long token is looked for in greater steps, in bytes: most credentials are long, and most of the state holds none.
_STEPS = (32, 16, 8)


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
        return next(self._places(body), None) is not None

    def kind_in(self, text: str, among: Sequence[Look] | None = None) -> TokenKind | None:
        """What kind of credential stands in this text, a live one or (of these looks) by its looks; None when none does."""
        if self.occur_in(text.encode(errors="replace")):
            return TokenKind.LIVE
        return looks_like_token(text, among)

    def withheld(self, text: str) -> str:
        """The text, with words in place of every one of these tokens and of whatever looks like one."""
        body = text.encode(errors="replace")
        kept, after = list[bytes](), 0
        for start, end in sorted(self._places(body)):
            if start >= after:
                kept += [body[after:start], TokenKind.LIVE.words.encode()]
            after = max(after, end)
        return withheld(b"".join([*kept, body[after:]]).decode() if after else text)

    def _places(self, body: bytes) -> Iterator[tuple[int, int]]:
        """Where one of them begins and ends."""
        if len(body) < SHORTEST_TOKEN:
            return
        words = memoryview(body)[: len(body) - len(body) % _WORD].cast("Q")
        for step, known in self._words.items():
            if known:
                yield from self._in_words(body, words[:: step // _WORD].tolist(), step)

    def _in_words(self, body: bytes, words: Sequence[int], step: int) -> Iterator[tuple[int, int]]:
        known = self._words[step]
        if known.keys().isdisjoint(words):
            return
        for at, word in enumerate(words):
            for offset, digest in known.get(word, ()):
                start = at * step - offset
                end = start + self._tokens[digest].length
                if start >= 0 and self._digest(body[start:end]) == digest:
                    yield start, end

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
