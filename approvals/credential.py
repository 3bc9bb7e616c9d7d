"""A reference to a long-lived credential: what the agent's state may hold instead of a token."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRef:
    """Whose authority a tool runs under; resolved to a fresh token when the tool runs.

    Attributes:
        provider: Name of a provider in the settings ("entra").
        subject: The account or service it stands for ("ops-agent").
        tenant: Directory of the subject; empty where the provider knows only one.
        scopes: What is asked for, in the provider's own words.
    """

    provider: str
    subject: str
    tenant: str = ""
    scopes: tuple[str, ...] = ()


#: What a tool runs under: nothing, one account, or one account each at several providers.
Credentials = CredentialRef | tuple[CredentialRef, ...] | None


def refs_of(said: Credentials) -> tuple[CredentialRef, ...]:
    """All of them, in order. Raises: ValueError for two accounts of one provider, which no tool could tell apart."""
    refs = (said,) if isinstance(said, CredentialRef) else said or ()
    if len({ref.provider for ref in refs}) < len(refs):
        raise ValueError("a tool runs under one account of each provider")
    return refs


class Mending(StrEnum):
    """How a credential that no longer works comes to work again."""

    ELSEWHERE = "elsewhere"  #: by the operator or the provider; what was asked for has to be asked again
    SIGN_IN = "sign in"  #: somebody signs in with `sayso connect`, and what waits goes on
    ITSELF = "itself"  #: nobody can say that it is dead: its provider does not answer
    LINK = "link"  #: the same, from a button on the card as well


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadCredential:
    """Why an action cannot run for now.

    Attributes:
        words: What is wrong and how it is mended, for people; at most 500 characters, no token in them.
    """

    ref: CredentialRef
    words: str
    mending: Mending
