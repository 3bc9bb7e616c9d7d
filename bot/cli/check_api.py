"""What `sayso check` says of the API's keys: that each is there, fit, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

from ..settings import Settings
from ..tables import ApiTable
from .looks import Doubtful, Look, Wrong


def api_keys(settings: Settings, api: ApiTable) -> Iterator[tuple[str, Look]]:
    """A line for each key."""
    for name in api.keys:
        yield f"api.keys.{name}", _key(settings, api, name)


def _key(settings: Settings, api: ApiTable, name: str) -> Look:
    table = api.keys[name]

    async def look() -> str:
        from ..api.keys import service_of  # a machine without the HTTP packages checks everything else

        service = service_of(settings, name, table)
        value = settings.env[table.secret].strip()
        for other, one in api.keys.items():
            if other != name and settings.env.get(one.secret, "").strip() == value:
                raise Wrong(f"{table.secret} holds the key of {other}, too; give each service its own")
        if service.callback_secret and not (api.callback_hosts or api.private_callback_hosts):
            raise Doubtful(
                "it has a callback_secret, but api.callback_hosts names no host that may be called"
            )
        acts = service.may_act_for if isinstance(service.may_act_for, str) else ", ".join(service.may_act_for)
        called = "signed callbacks" if service.callback_secret else "no callbacks"
        return f"{table.secret} is set: acts for {acts or 'nobody'}, {table.owner} answers for it, {called}"

    return look
