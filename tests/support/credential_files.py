"""Settings with a credential of each kind, and the environment that goes with them."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from sayso.sandbox.oauth import OAuthProvider
from settings_files import write_settings

HUBSPOT = """
[credentials.hubspot]
kind = "oauth"
{where}
client_id = "{client_id}"
client_secret = "HUBSPOT_SECRET"
service = "crm"
{more}

[credentials.billing]
kind = "static"
secret = "BILLING_KEY"
service = "books"

[server]
"""
BILLING_KEY = "a-static-key-0123456789"


def an_office(folder: Path, where: str, client_id: str = "c", more: str = "") -> Path:
    """Settings with a provider of each kind."""
    text = HUBSPOT.format(where=where, client_id=client_id, more=more)
    return write_settings(folder, ("[server]\n", text))


def a_key() -> str:
    """A new key for the store."""
    return base64.b64encode(os.urandom(32)).decode()


def over(provider: OAuthProvider, url: str) -> dict[str, str]:
    """The environment of the settings over this provider and store."""
    return {
        "REDIS_URL": url, "SAYSO_STATE_KEYS": a_key(), "HUBSPOT_SECRET": provider.client_secret,
        "BILLING_KEY": BILLING_KEY, "COLUMNS": "200",
    }  # fmt: skip


def at(provider: OAuthProvider) -> str:
    """Where this provider is, as the settings say it."""
    return f'token_url = "{provider.token_url}"\nrevoke_url = "{provider.revoke_url}"\nca_file = "{provider.ca_file}"'
