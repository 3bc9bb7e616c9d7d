"""OAuth 2 providers as settings name them: where they are, and what each does its own way; nothing here calls one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ClientAuth(StrEnum):
    """How the client proves itself (RFC 6749 §2.3.1)."""

    BASIC = "basic"
    POST = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider's addresses and habits.

    Attributes:
        authorize_url: Where people sign in and consent; empty where nobody can be sent there by us.
        revoke_url: Where a refresh token is ended (RFC 7009); empty where people do it in the provider's own pages.
        own_words: Its own errors -> those of OAuth 2.
        asks: What it wants to be told besides, so that it gives a refresh token.
    """

    token_url: str
    authorize_url: str = ""
    revoke_url: str = ""
    client_auth: ClientAuth = ClientAuth.BASIC
    own_words: Mapping[str, str] = field(default_factory=dict)
    asks: Mapping[str, str] = field(default_factory=dict)


#: developers.hubspot.com/docs/api-reference/auth-oauth-v1/tokens/post-oauth-v1-token,
#: developers.google.com/identity/protocols/oauth2/web-server#offline,
#: help.salesforce.com "OAuth 2.0 Refresh Token Flow for Renewed Sessions" (it may rotate, and then ends a used token's
#: whole family).
PRESETS: Mapping[str, Provider] = {
    "hubspot": Provider(
        token_url="https://api.hubapi.com/oauth/v1/token",  # noqa: S106 an address
        authorize_url="https://app.hubspot.com/oauth/authorize",
        client_auth=ClientAuth.POST,
        own_words={"BAD_REFRESH_TOKEN": "invalid_grant", "BAD_CLIENT_ID": "invalid_client",
                   "BAD_CLIENT_SECRET": "invalid_client"},
    ),
    "google": Provider(
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 an address
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        asks={"access_type": "offline", "prompt": "consent"},
        client_auth=ClientAuth.POST,
        revoke_url="https://oauth2.googleapis.com/revoke",
    ),
    "salesforce": Provider(
        token_url="https://login.salesforce.com/services/oauth2/token",  # noqa: S106 an address
        authorize_url="https://login.salesforce.com/services/oauth2/authorize",
        client_auth=ClientAuth.POST,
        revoke_url="https://login.salesforce.com/services/oauth2/revoke",
    ),
}  # fmt: skip
