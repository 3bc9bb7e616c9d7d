"""The pagers of the settings, each with its secret from the environment; those with an address of the operator's are guarded."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import httpx

from ..approvals.errors import BadSetting
from ..scheduler.other_pagers import AlertmanagerPager, JsmPager, WebhookPager
from ..scheduler.pager import Pager
from ..scheduler.pagerduty import PagerDuty, PagerDutyPager, RoutingKey
from .api.addresses import Address, BadAddress, located
from .api.lookups import LookUps
from .api.signature import CallbackSecret
from .pager_table import PagerTable
from .settings import Settings

T = TypeVar("T")


@asynccontextmanager
async def open_pagers(settings: Settings) -> AsyncIterator[Mapping[str, Pager]]:
    """By the names that routes use. Raises: BadSetting, for a secret that is missing or none."""
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(httpx.AsyncClient())
        guarded = {
            private: await stack.enter_async_context(_guarded(private=private)) for private in (False, True)
        }
        yield {
            name: pager_of_table(settings, name, table, plain=plain, guarded=guarded[table.private])
            for name, table in settings.pagers.items()
        }


def pager_of_table(
    settings: Settings, name: str, table: PagerTable, *, plain: httpx.AsyncClient, guarded: httpx.AsyncClient
) -> Pager:
    """Raises: BadSetting."""
    secrets = [settings.secret(variable, f"pagers.{name} needs it.") for variable in table.variables]
    match table.kind:
        case "pagerduty":
            sender = PagerDuty(table.address, plain)
            return PagerDutyPager(sender=sender, key=_right(RoutingKey, secrets[0], table.variables[0]))
        case "jsm":
            return JsmPager(http=plain, url=table.address, key=secrets[0])
        case "alertmanager":
            return AlertmanagerPager(http=guarded, url=table.address, token=secrets[0] if secrets else "")
        case "webhook":
            pairs = zip(secrets, table.variables, strict=True)
            signed_by = tuple(_right(CallbackSecret, secret, variable) for secret, variable in pairs)
            return WebhookPager(
                http=guarded,
                url=table.address,
                sign=partial(_headers, signed_by),
                wall=partial(datetime.now, UTC),
            )


def _right(kind: type[T], secret: str, variable: str) -> T:
    try:
        return kind(secret)  # type: ignore[call-arg]
    except ValueError as error:
        raise BadSetting(f"{variable}: {error}.") from None


def _headers(secrets: tuple[CallbackSecret, ...], id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """Signed with each of them: a receiver that knows one accepts it."""
    each = [secret.headers(id, at, body) for secret in secrets]
    return {**each[0], "webhook-signature": " ".join(one["webhook-signature"] for one in each)}


def _guarded(*, private: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Guarded(private=private), trust_env=False)


class Guarded(httpx.AsyncBaseTransport):
    """Connects to the address that was checked, and to none inside the network unless the operator said so."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._lookups = LookUps()
        self._inner = httpx.AsyncHTTPTransport(verify=ssl.create_default_context(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises: UnsupportedProtocol, for an address that nothing may be sent to; ConnectError."""
        url = request.url
        usual = {"https": 443, "http": 80}.get(url.scheme, 0)
        if not url.host or not usual or (url.scheme == "http" and not self._private):
            raise httpx.UnsupportedProtocol("its address must begin with https://")
        address = Address(
            scheme=url.scheme, host=url.host, port=url.port or usual, path=url.path, private=self._private
        )
        try:
            ip = await located(address, self._lookups)
        except BadAddress:
            raise httpx.UnsupportedProtocol(
                "its address leads inside a network; private = true in its table allows that"
            ) from None
        except OSError as error:
            raise httpx.ConnectError(f"its name cannot be looked up: {error}") from error
        request.url = url.copy_with(host=ip)
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
