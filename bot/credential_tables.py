"""The tables of the settings file that say where fresh tokens come from, and where refresh tokens are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ..agent.oauth_providers import PRESETS, ClientAuth, Provider
from ..agent.setting_words import listed, written
from ..approvals.credential import Mending
from .table_parts import Table, variable

_PLACE = r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"
_PLACE_WORDS = "it is a path of letters, digits, - and _, like sayso or teams/ops"


class EntraTable(Table):
    """`[credentials.entra]`: a token service; `client_secret` names the environment variable that holds it.

    Attributes:
        on_behalf_of: Scope of the application's own API; people's tokens for other APIs are then got on their behalf.
        check_scope: What `sayso check` asks a token for; Entra gives every application one for this.
    """

    kind: Literal["entra"] = "entra"
    authority: Annotated[str, written(r"https://\S+", "it must begin with https://")]
    client_id: str = Field(min_length=1)
    client_secret: Annotated[str, variable("secret", "ENTRA_CLIENT_SECRET")]
    service: str = Field(min_length=1)
    ca_file: Path | None = None
    on_behalf_of: str = ""
    check_scope: str = Field(default="https://graph.microsoft.com/.default", min_length=1)


class OAuthTable(Table):
    """`[credentials.hubspot]`: a provider of OAuth 2, a known one by `preset` or any by `token_url`.

    Attributes:
        authorize_url: Where `sayso connect` sends people to sign in.
        client_secret: Names the environment variable that holds it.
        scopes: What is asked for at a sign-in.
        service: Whose account it is unless somebody says otherwise.
        client_auth: How the client proves itself, in a header or in the form; the preset's, or else in a header.
        kept: Where refresh tokens are: sealed in the store, in the Vault of `[vault]`, or in
            `SAYSO_REFRESH_TOKEN_<NAME>_<SERVICE>`.
    """

    kind: Literal["oauth"]
    preset: Literal["hubspot", "google", "salesforce"] | None = None
    token_url: Annotated[str, written(r"https://\S+", "it must begin with https://")] | None = None
    authorize_url: Annotated[str, written(r"https://\S+", "it must begin with https://")] | None = None
    revoke_url: Annotated[str, written(r"https://\S+", "it must begin with https://")] | None = None
    client_id: str = Field(min_length=1)
    client_secret: Annotated[str, variable("secret", "HUBSPOT_CLIENT_SECRET")]
    scopes: Annotated[tuple[str, ...], listed('scopes, like ["crm.objects.contacts.write"]')] = ()
    client_auth: Literal["basic", "post"] | None = None
    service: str = Field(min_length=1)
    kept: Literal["store", "vault", "environment"] = "store"
    ca_file: Path | None = None

    @property
    def provider(self) -> Provider | None:
        """Addresses and habits, the preset's where nothing else is said; None where neither says where to ask."""
        said = {
            "token_url": self.token_url, "authorize_url": self.authorize_url, "revoke_url": self.revoke_url,
            "client_auth": self.client_auth and ClientAuth(self.client_auth),
        }  # fmt: skip
        changes: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.preset:
            return replace(PRESETS[self.preset], **changes)
        return Provider(**changes) if self.token_url else None

    def mending(self, url: str | None) -> Mending:
        """What people are offered when a sign-in has ended; `url` is where browsers reach the bot."""
        if self.kept == "environment":
            return Mending.ELSEWHERE
        return Mending.LINK if url and self.provider and self.provider.authorize_url else Mending.SIGN_IN


class StaticTable(Table):
    """`[credentials.billing]`: one key that does not change; `secret` names the environment variable that holds it."""

    kind: Literal["static"]
    secret: Annotated[str, variable("key", "BILLING_API_KEY")]
    service: str = Field(min_length=1)


class VaultTable(Table):
    """`[vault]`: a HashiCorp Vault (or OpenBao) that keeps refresh tokens, in a KV engine of version 2.

    Attributes:
        mount, path: Where: each sign-in is one secret below `<mount>/data/<path>/`.
        token: Names the environment variable that holds a token; or sign in with an AppRole.
        role_id, secret_id: Name the environment variables that hold an AppRole's.
        namespace: Of Vault Enterprise or HCP; empty where there is none.
        ca_file: Certificates to trust instead of the system's.
    """

    url: Annotated[str, written(r"https://[^\s?#]+", "it must begin with https://")]
    mount: Annotated[str, written(_PLACE, _PLACE_WORDS)] = "secret"
    path: Annotated[str, written(_PLACE, _PLACE_WORDS)] = "sayso"
    token: Annotated[str, variable("token", "VAULT_TOKEN")] | None = None
    role_id: Annotated[str, variable("role id", "VAULT_ROLE_ID")] | None = None
    secret_id: Annotated[str, variable("secret id", "VAULT_SECRET_ID")] | None = None
    namespace: str = ""
    ca_file: Path | None = None

    @property
    def problem(self) -> str:
        """What is wrong with how it signs in; empty when nothing is."""
        approle = (self.role_id, self.secret_id)
        right = not any(approle) if self.token else all(approle)
        return "" if right else "it needs either a token, or a role_id and a secret_id"


def _kind(value: object) -> str | None:
    """Which table a credential's is, by its kind; what is no table is refused as the first of them."""
    kind = value.get("kind", "entra") if isinstance(value, dict) else getattr(value, "kind", "entra")
    return f"[{kind}]" if kind in ("entra", "oauth", "static") else None


Credential = EntraTable | OAuthTable | StaticTable
AnyCredential = Annotated[
    Annotated[EntraTable, Tag("[entra]")] | Annotated[OAuthTable, Tag("[oauth]")] | Annotated[StaticTable, Tag("[static]")],
    Discriminator(
        _kind, custom_error_type="kind", custom_error_message="kind",
        custom_error_context={"expected": '"entra", "oauth" or "static"'},
    ),
]  # fmt: skip
