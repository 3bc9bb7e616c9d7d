"""What looks like a token, wherever it stands, and how it is withheld; nothing here knows which tokens are live."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic_core import SchemaValidator, core_schema

#: No text below this length is taken for a token by its looks.
SHORTEST_LOOK = 15


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
    SENDGRID = "a SendGrid key"
    STRIPE = "a Stripe key"
    BEARER = "a bearer token"
    BASIC = "a user name with a password"
    PRIVATE_KEY = "a private key"
    LIVE = "a token that is in use"

    @property
    def words(self) -> str:
        """What stands in its place."""
        return f"(withheld: {self.value})"


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind of token looks.

    Attributes:
        in_text: The whole of it, not inside a longer word.
        in_bytes: The same among bytes, where anything may stand before it.
        withheld: What goes with it as well: the body of a key, the secret beside an id.
    """

    kind: TokenKind
    in_text: re.Pattern[str]
    in_bytes: re.Pattern[bytes]
    withheld: re.Pattern[str]


_HEX = "[0-9A-Fa-f]"
#: No letter or digit before it, but what JSON or an address writes for another character.
_BEGINS = rf"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u{_HEX}{{4}})|(?<=%{_HEX}{{2}}))"
#: Letters and digits mixed, as in no word and no number of ours; bounded, because people write what is searched.
_MIXED = r"(?=[\w.~+/=-]{0,150}[A-Za-z]\d|[\w.~+/=-]{0,150}\d[A-Za-z])"
_INSIDE = r'(?:[^"\\]|\\[^"])'  # it ends with the JSON text that it stands in
_KEY_END = r"-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
#: (kind, how it looks, what goes with it). Repeats that can fail are bounded: a hostile text must not hold up anybody.
_PATTERNS = (
    (TokenKind.WEB, r"eyJ[\w-]{8,1500}\.[\w-]{0,8000}\.[\w.-]{8,}", ""),
    (TokenKind.SLACK, r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,}", ""),
    (TokenKind.SLACK_HOOK, r"hooks\.slack\.com/(?:services|workflows)/\w{1,40}/\w{1,40}/\w{8,}", ""),
    (TokenKind.GITHUB, r"gh[pousr]_[A-Za-z0-9]{30,}", ""),
    (TokenKind.GITHUB, r"github_pat_\w{30,}", ""),
    (TokenKind.GITLAB, r"glpat-[\w-]{18,}", ""),
    (TokenKind.API_KEY, rf"sk-(?=[\w-]{{0,40}}\w{{16}}){_MIXED}[\w-]{{20,}}", ""),
    (
        TokenKind.AWS,
        r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])",
        r'(?:[^"\\]{0,60}?(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?',
    ),
    (TokenKind.GOOGLE, r"(?:AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{38,})", ""),
    (TokenKind.HUBSPOT, r"pat-\w{2,4}-[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}", ""),
    (TokenKind.SENDGRID, r"SG\.[\w-]{20,24}\.[\w-]{39,50}", ""),
    (TokenKind.STRIPE, r"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}", r"[A-Za-z0-9+/=]*"),
    (TokenKind.BEARER, rf"[Bb](?:earer|EARER) {{1,9}}{_MIXED}[\w.~+/=-]{{16,}}", ""),
    (
        TokenKind.BASIC,
        r"(?:Basic|basic|BASIC) {1,9}(?=[\w+/]{0,150}[a-z][A-Z][\w+/]{0,150}[A-Z][A-Z])[A-Za-z0-9+/]{14,}={0,2}",
        "",
    ),
    (
        TokenKind.PRIVATE_KEY,
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
        rf"(?:{_INSIDE}*?{_KEY_END}|{_INSIDE}*)",
    ),
)
LOOKS = tuple(
    Look(
        kind,
        re.compile(_BEGINS + look, re.ASCII),
        re.compile(look.encode(), re.ASCII),
        re.compile(_BEGINS + look + more, re.ASCII),
    )
    for kind, look, more in _PATTERNS
)

#: All of them at once, without their look ahead and upper bounds, by the Rust engine that comes with pydantic: some ten
#: times quicker than one search per mark, linear whatever it reads, and the state is searched each time it is stored.
_MAYBE = SchemaValidator(
    core_schema.str_schema(
        pattern="(?-u)"
        + "|".join(
            re.sub(r"\(\?[=!][^)]*\)", "", re.sub(r"\{(\d+),\d{3,}\}", r"{\1,}", look))
            for _, look, _ in _PATTERNS
        ),
        regex_engine="rust-regex",
    )
)
_AWS_SECRET = re.compile(r"[A-Za-z0-9/+]{40}")


def looks_in(body: bytes) -> Sequence[Look]:
    """The looks that a text among these bytes might have; mostly none, and quick to tell."""
    if not _MAYBE.isinstance_python(body.decode("latin-1")):
        return ()
    return [look for look in LOOKS if look.in_bytes.search(body)]


def _looks_of(text: str) -> Sequence[Look]:
    """The same of a text."""
    if len(text) < SHORTEST_LOOK or (text.isascii() and not _MAYBE.isinstance_python(text)):
        return ()
    return looks_in(text.encode(errors="replace"))


def looks_like_token(text: str, among: Sequence[Look] | None = None) -> TokenKind | None:
    """What kind of credential stands somewhere in this text, by its looks; None when none does."""
    if len(text) < SHORTEST_LOOK:
        return None
    looks = _looks_of(text) if among is None else among
    return next((look.kind for look in looks if look.in_text.search(text)), None)


def first_in(
    value: object,
    judge: Callable[[str], TokenKind | None] = looks_like_token,
    opened: Callable[[object], object] = lambda one: one,
) -> tuple[str, TokenKind] | None:
    """The first text of a nested value that is judged to be a token: where it stands ("messages[3].content"), and what it is.

    Args:
        opened: What stands inside a value that is neither text, list nor mapping.
    """
    hit = _first(value, judge, opened)
    return None if hit is None else (hit[0].removeprefix("."), hit[1])


def _first(
    value: object, judge: Callable[[str], TokenKind | None], opened: Callable[[object], object]
) -> tuple[str, TokenKind] | None:
    node = opened(value)
    if isinstance(node, bytes):
        node = node.decode("latin-1")
    if isinstance(node, str):
        kind = judge(node)
        return None if kind is None else ("", kind)
    if isinstance(node, dict):
        for key, one in node.items():
            if (hit := _first(key, judge, opened)) is not None:
                return f"(key){hit[0]}", hit[1]
            if (hit := _first(one, judge, opened)) is not None:
                step = f".{key}" if str(key).isidentifier() else f"[{key!r}]"
                return f"{step}{hit[0]}", hit[1]
    elif isinstance(node, list | tuple):
        for position, one in enumerate(node):
            if (hit := _first(one, judge, opened)) is not None:
                return f"[{position}]{hit[0]}", hit[1]
    return None


def withheld(text: str) -> str:
    """The text, with words in place of everything in it that looks like a token."""
    for look in _looks_of(text):
        text = look.withheld.sub(look.kind.words, text)
    return text


def withheld_in(value: object, withhold: Callable[[str], str] = withheld) -> object:
    """The same of every text in a JSON value, keys among them."""
    if isinstance(value, str):
        return withhold(value)
    if isinstance(value, list | tuple):
        return [withheld_in(one, withhold) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {withhold(name): withheld_in(one, withhold) for name, one in value.items()}
    if TokenKind.AWS.words in kept.values():  # the secret beside it looks like nothing
        secret = TokenKind.AWS.words
        return {
            name: secret if isinstance(one, str) and _AWS_SECRET.fullmatch(one) else one
            for name, one in kept.items()
        }
    return kept


def withheld_json(body: bytes) -> bytes:
    """JSON text without anything that looks like a token; what holds none comes back as the same bytes."""
    if not looks_in(body):
        return body
    kept = withheld_in(json.loads(body))
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()
