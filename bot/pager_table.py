"""The table of one pager, and what each kind of pager needs."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ..agent.setting_words import listed
from .table_parts import Table, Url, variable

_PAGERS_AT = {
    "pagerduty": "https://events.pagerduty.com",
    "jsm": "https://api.atlassian.com/jsm/ops/integration",
}


def _loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}


class PagerTable(Table):
    """`[pagers.primary]`: who wakes on-call. Its secrets are named here and stand in the environment.

    Attributes:
        kind: PagerDuty's Events v2, JSM Operations, a signed webhook, or what takes Prometheus' alerts.
        routing_key: Names the variable with PagerDuty's integration key.
        key: Names the variable with the key of JSM Operations, or the bearer token of a receiver of alerts.
        secrets: Names the variables with a webhook's secrets ("whsec_…"): two while you change from one to the next.
        url: Where it is; a webhook and a receiver of alerts need one.
        private: Its address may be inside your network, where http will do.
    """

    kind: Literal["pagerduty", "jsm", "webhook", "alertmanager"] = "pagerduty"
    routing_key: Annotated[str, variable("key", "PAGER_ROUTING_KEY")] | None = None
    key: Annotated[str, variable("key", "JSM_KEY")] | None = None
    secrets: Annotated[
        tuple[Annotated[str, variable("secret", "PAGER_SECRET")], ...], listed("names of variables")
    ] = Field(default=(), max_length=3)
    url: Url | None = None
    private: bool = False

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        self._has_its_secret()
        if self.kind in ("webhook", "alertmanager") and not self.url:
            raise ValueError("it needs a url")
        outside = self.kind in ("pagerduty", "jsm")
        if self.private and outside:
            raise ValueError(f"a pager of the kind {self.kind} is outside: leave private out")
        if self.address.startswith("http://") and not (self.private or (outside and _loopback(self.address))):
            raise ValueError(
                "its url must begin with https://, or say private = true for one inside your network"
            )
        return self

    def _has_its_secret(self) -> None:
        """Raises: ValueError."""
        needs = {"pagerduty": "routing_key", "jsm": "key", "webhook": "secrets"}.get(self.kind, "")
        for name in ("routing_key", "key", "secrets"):
            if name == needs and not getattr(self, name):
                raise ValueError(f"it needs {name}, which names the environment variable of its secret")
            optional = self.kind == "alertmanager" and name == "key"
            if name != needs and not optional and getattr(self, name):
                raise ValueError(f"a pager of the kind {self.kind} has no {name}")

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables with its secrets."""
        return tuple(filter(None, (self.routing_key, self.key, *self.secrets)))

    @property
    def address(self) -> str:
        """Where it is; the vendor's own address unless another one is given."""
        return self.url or _PAGERS_AT[self.kind]
