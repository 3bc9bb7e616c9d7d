"""A reference to a long-lived credential: what the agent's state may hold instead of a token."""

from __future__ import annotations

from dataclasses import dataclass


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
