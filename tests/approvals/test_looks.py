"""What looks like a token is withheld, all of it; what people work with is left alone, and no text holds anybody up."""

from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.approvals.looks import TokenKind, first_in, looks_like_token, withheld, withheld_in, withheld_json
from tokens import CANARIES

ordinary = (
    st.uuids().map(str)
    | st.binary(min_size=20, max_size=32).map(bytes.hex)  # SHA-1 and SHA-256 of git
    | st.integers(0, 10**20).map(lambda number: f"order {number}")
    | st.binary(max_size=400).map(lambda body: f"data:image/png;base64,{base64.b64encode(body).decode()}")
    | st.datetimes().map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
    | st.emails()
)


@given(st.lists(ordinary, max_size=6).map(" ".join))
def test_what_people_work_with_is_left_alone(text: str) -> None:
    """UUIDs, SHAs, order numbers, pictures, addresses: an alarm would stop an agent for nothing."""
    assert looks_like_token(text) is None
    assert withheld(text) is text


@pytest.mark.parametrize("name", CANARIES)
@given(
    before=st.sampled_from(["", "(", "token=", "é", "\n", '"', "https://x.example/?t=", "%3D"]),
    after=st.sampled_from(["", ")", "\n", '"', " é", "&x=1"]),
)
def test_no_piece_of_a_token_is_left(name: str, before: str, after: str) -> None:
    """Wherever it stands, also inside JSON inside JSON; withholding twice changes nothing more."""
    secret = CANARIES[name]
    text = f"{before}{secret}{after}"
    nested = json.dumps({"a": [json.dumps({"b": text})]})
    for clean in (withheld(text), withheld(nested), withheld_json(nested.encode()).decode()):
        assert "(withheld: " in clean
        assert not any(secret[at : at + 12] in clean for at in range(8, len(secret) - 12))
        assert withheld(clean) == clean
    assert text.isascii() or "é" in withheld(text)


def test_json_stays_json() -> None:
    """A private key without its end takes nothing of what stands beside it."""
    said = {"key": CANARIES["a private key"][:90], "note": "kept", CANARIES["GitHub"]: [1, 2.5, None]}
    clean = json.loads(withheld_json(json.dumps(said).encode()))
    assert clean == {
        "key": TokenKind.PRIVATE_KEY.words,
        "note": "kept",
        TokenKind.GITHUB.words: [1, 2.5, None],
    }
    nested = json.loads(withheld(json.dumps(said)))
    assert nested["note"] == "kept"


def test_what_holds_none_is_the_same_bytes() -> None:
    """A record's bytes are compared and signed: they change only where a token stood."""
    body = '{"a": 1.0, "b":"\\u00e9 é", "c": 1e3}'.encode()
    assert withheld_json(body) is body


def test_the_secret_beside_an_access_key_goes_with_it() -> None:
    """Alone it looks like nothing; beside its id it is known."""
    pair = {
        "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    assert withheld_in(pair) == dict.fromkeys(pair, TokenKind.AWS.words)
    assert withheld_in({"sha": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}) != {"sha": TokenKind.AWS.words}


def test_the_first_token_is_named_by_its_place() -> None:
    """Whoever put it there has to find it."""
    assert first_in({"a": [{"b c": f"x {CANARIES['GitHub']}"}]}) == ("a[0]['b c']", TokenKind.GITHUB)
    assert first_in({"a": ["nothing"]}) is None


@pytest.mark.parametrize(
    "piece",
    [
        "-eyJ",
        "sk-",
        "sk-aaaaaaaaaaaaaaaa",
        "eyJaaaaaaaa.",
        "bearer ",
        "-----BEGIN ",
        "AKIA",
        "-----BEGIN PRIVATE KEY-----",
        "1//0",
        "hooks.slack.com/services/a/",
    ],
)
def test_a_hostile_text_holds_nobody_up(piece: str) -> None:
    """100 KB made to be slow to search, with one real token at its end."""
    text = piece * (100_000 // len(piece)) + " " + CANARIES["GitHub"]
    began = time.perf_counter()
    assert CANARIES["GitHub"] not in withheld(text)
    assert time.perf_counter() - began < 5  # seconds; quadratic would be minutes
