"""Signing in to an OAuth 2 provider by authorization code, with PKCE (RFC 6749 §4.1, RFC 7636) and a state; pure."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..approvals.errors import SaysoError
from .oauth_providers import Provider

#: How long somebody may take to sign in.
TIME_TO_SIGN_IN = timedelta(minutes=10)


class SignInRefused(SaysoError):
    """The provider sent somebody back without a sign-in, or not from the one that was begun here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One sign-in that was begun: what has to be the same when the browser comes back.

    Attributes:
        state: Says which browser's sign-in an answer belongs to; `repr` hides it.
        verifier: Proves to the provider that whoever shows the code began it; never leaves us before.
        redirect_uri: Where the provider sends the browser, to the letter.
    """

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier (S256)."""
        return urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")

    def must_own(self, answer: Mapping[str, str]) -> None:
        """That the answer which a browser brought belongs to this sign-in. Raises: SignInRefused."""
        if not secrets.compare_digest(answer.get("state", "").encode(), self.state.encode()):
            raise SignInRefused("This answer belongs to another sign-in; nothing was kept.")


def begun(redirect_uri: str) -> SignIn:
    """A new one; nobody can guess its state or verifier (256 bits each)."""
    return SignIn(
        state=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(32), redirect_uri=redirect_uri
    )


def address_of(sign_in: SignIn, provider: Provider, *, client_id: str, scopes: Sequence[str]) -> str:
    """Where the browser goes to sign in."""
    parts = urlsplit(provider.authorize_url)
    asked = {
        **dict(parse_qsl(parts.query)), **provider.asks, "response_type": "code", "client_id": client_id,
        "redirect_uri": sign_in.redirect_uri, "state": sign_in.state, "code_challenge": sign_in.challenge,
        "code_challenge_method": "S256", **({"scope": " ".join(scopes)} if scopes else {}),
    }  # fmt: skip
    return urlunsplit(parts._replace(query=urlencode(asked)))


def code_of(answer: Mapping[str, str], *, name: str) -> str:
    """The code in what the browser brought back. Raises: SignInRefused."""
    if answer.get("error"):
        said = "was refused" if answer["error"] == "access_denied" else "did not go through"
        raise SignInRefused(f"The sign-in at {name} {said}; nothing was kept.")
    if not answer.get("code"):
        raise SignInRefused(f"{name} sent no code; nothing was kept.")
    return answer["code"]
