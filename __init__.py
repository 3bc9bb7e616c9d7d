"""Sayso: nothing consequential happens without someone's say-so. Exports load on first use: importing is cheap."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .agent.credentials import Broker as Broker
    from .agent.effect import Effect as Effect
    from .agent.effect import NothingDone as NothingDone
    from .agent.effect import effect as effect
    from .agent.gate import Gate as Gate
    from .agent.gate import GateState as GateState
    from .agent.govern import govern as govern
    from .agent.outcome import GateOutcome as GateOutcome
    from .agent.runtime import idempotency_key as idempotency_key
    from .agent.runtime import token as token
    from .agent.worker import Worker as Worker
    from .approvals.action import Action as Action
    from .approvals.action import Entity as Entity
    from .approvals.action import Evidence as Evidence
    from .approvals.credential import CredentialRef as CredentialRef
    from .approvals.errors import SaysoError as SaysoError
    from .bot.own_run import run as run

#: name -> the module it lives in
_HOMES = {
    "Action": ".approvals.action",
    "Broker": ".agent.credentials",
    "CredentialRef": ".approvals.credential",
    "Effect": ".agent.effect",
    "Entity": ".approvals.action",
    "Evidence": ".approvals.action",
    "Gate": ".agent.gate",
    "GateOutcome": ".agent.outcome",
    "GateState": ".agent.gate",
    "NothingDone": ".agent.effect",
    "SaysoError": ".approvals.errors",
    "Worker": ".agent.worker",
    "effect": ".agent.effect",
    "govern": ".agent.govern",
    "idempotency_key": ".agent.runtime",
    "run": ".bot.own_run",
    "token": ".agent.runtime",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Load an export on its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sayso' has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
