"""The API's keys: who calls, for whom they may start runs, and what their callbacks are signed with."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...approvals.errors import BadSetting
from ...approvals.people import PersonId
from ..settings import Settings
from ..tables import ApiKeyTable
from .signature import CallbackSecret

#: A shorter key could be guessed, characters.
SHORTEST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A named service that has a key.

    Attributes:
        digest: SHA-256 of the key; the key itself is not kept.
        owner: Counts as having asked for each of its runs.
        may_act_for: Whom it may name as asking.
        callback_secret: None where it gets no callbacks.
    """

    name: str
    digest: bytes = field(repr=False)
    owner: PersonId
    may_act_for: Collection[str] | Literal["anyone"] = ()
    callback_secret: CallbackSecret | None = None

    def acts_for(self, person: str) -> bool:
        """Whether it may say that this person asks."""
        return self.may_act_for == "anyone" or person in self.may_act_for


class Keys:
    """Every service by its key."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self.services = services

    def whose(self, authorization: str) -> Service | None:
        """Who sends this Authorization header; None for a wrong one, which takes as long as a right one."""
        scheme, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode(errors="surrogateescape")).digest()
        found = None
        for service in self.services.values():  # all of them, whichever it is
            if hmac.compare_digest(service.digest, given):
                found = service
        return found if scheme.lower() == "bearer" else None


def load_keys(settings: Settings) -> Keys:
    """The keys that the settings name. Raises: BadSetting, for a missing, short or doubled one."""
    tables = settings.api.keys if settings.api else {}
    services = {name: service_of(settings, name, table) for name, table in tables.items()}
    named: dict[bytes, str] = {}
    for name, service in services.items():
        if other := named.get(service.digest):
            raise BadSetting(f"api.keys.{name}.secret: {tables[name].secret} holds the key of {other}, too")
        named[service.digest] = name
    return Keys(services)


def service_of(settings: Settings, name: str, table: ApiKeyTable) -> Service:
    """One service with its secrets. Raises: BadSetting."""
    why = f"api.keys.{name} says that it holds"
    key = settings.secret(table.secret, f"{why} the key.")
    if len(key) < SHORTEST or not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSetting(
            f"{table.secret} must be at least {SHORTEST} plain characters without a space; make one with: openssl rand -hex 32"
        )
    signs = None
    if table.callback_secret:
        try:
            signs = CallbackSecret(settings.secret(table.callback_secret, f"{why} the callbacks' secret."))
        except ValueError as error:
            raise BadSetting(f"{table.callback_secret}: {error}") from None
    return Service(
        name=name, digest=hashlib.sha256(key.encode()).digest(), owner=PersonId(table.owner),
        may_act_for=table.may_act_for, callback_secret=signs,
    )  # fmt: skip
