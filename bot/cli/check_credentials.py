"""What `sayso check` looks at of each credential: its secret, its files, and whether it brings a token."""

from __future__ import annotations

from collections.abc import Iterator

from ...approvals.credential import CredentialRef
from ..credential_tables import Credential, EntraTable, StaticTable
from ..credentials import connection, sources
from ..opening import store_server
from ..settings import Settings
from .looks import Look, Wrong


def credential_secrets(settings: Settings) -> Iterator[tuple[str, Look]]:
    """Whether each has its secret."""
    for name, one in settings.credentials.items():
        yield _variable(one), _credential_secret(settings, one, name)
    if settings.vault:
        for key in ("token", "role_id", "secret_id"):
            if variable := getattr(settings.vault, key):
                yield variable, _vault_secret(settings, key, variable)


def tokens(settings: Settings) -> Iterator[tuple[str, Look]]:
    """A token of each provider's own account."""
    return ((f"credentials.{name}", _token(settings, name, one)) for name, one in _usable(settings))


def _variable(one: Credential) -> str:
    """Which variable holds its secret."""
    return one.secret if isinstance(one, StaticTable) else one.client_secret


def _credential_secret(settings: Settings, one: Credential, name: str) -> Look:
    async def look() -> str:
        settings.secret(_variable(one), f"credentials.{name} needs it")
        if not isinstance(one, StaticTable) and one.ca_file and not settings.beside(one.ca_file).is_file():
            raise Wrong(f"credentials.{name}.ca_file: there is no file {settings.beside(one.ca_file)}")
        return f"set, for credentials.{name}"

    return look


def _vault_secret(settings: Settings, key: str, variable: str) -> Look:
    async def look() -> str:
        settings.secret(variable, f"vault.{key} needs it")
        return f"set, for vault.{key}"

    return look


def _usable(settings: Settings) -> Iterator[tuple[str, Credential]]:
    """The providers whose secret is there; a missing one has its own line already."""
    return (
        (name, one)
        for name, one in settings.credentials.items()
        if settings.env.get(_variable(one), "").strip()
    )


def _token(settings: Settings, name: str, one: Credential) -> Look:
    """Fetch a token of the service and throw it away."""

    async def look() -> str:
        scopes = (one.check_scope,) if isinstance(one, EntraTable) else ()
        ref = CredentialRef(provider=name, subject=one.service, scopes=scopes)
        with store_server(settings) as address:
            async with connection(address) as client:
                token = await sources(settings, client, address, only=name)[name].fetch(ref)
        return f"{one.service} gets {token}" + (f" for {scopes[0]}" if scopes else "")

    return look
