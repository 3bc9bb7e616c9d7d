"""Pagers that are not PagerDuty: any signed webhook, what takes Prometheus alerts, and JSM Operations (once Opsgenie)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from .pager import Alarm, Closing, Result, Severity, attempt, base_url, clean, cut

#: Headers that prove a body: of its id, the wall time of this attempt, and the bytes as they are sent.
Sign = Callable[[str, datetime, bytes], Mapping[str, str]]

#: A webhook's body stays below what Standard Webhooks advises, 20 KB; of each detail so many characters.
MOST_DETAILS, DETAIL = 12, 500
#: What JSM Operations takes.
JSM_MESSAGE, JSM_DESCRIPTION = 130, 15_000
_PRIORITY = {Severity.CRITICAL: "P1", Severity.ERROR: "P2", Severity.WARNING: "P3", Severity.INFO: "P5"}
#: Standing for "no end yet", as Alertmanager itself writes it.
_OPEN_END = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPager:
    """A receiver of your own, told by the symmetric scheme of Standard Webhooks.

    Attributes:
        http: A client that refuses addresses inside the network, unless the operator allowed them.
        sign: With every secret that is valid now, so that a receiver can change to the next one.
        wall: The wall clock; a receiver compares it with its own.
    """

    http: httpx.AsyncClient
    url: str
    sign: Sign
    wall: Callable[[], datetime]

    @property
    def platform(self) -> str:
        return "webhook"

    async def trigger(self, alarm: Alarm) -> Result:
        told = {"type": "sayso.page.triggered", "timestamp": alarm.at.isoformat(), "data": _said(alarm)}
        return await self._send(f"{alarm.key} {alarm.at.isoformat()} triggered", told)

    async def resolve(self, closing: Closing) -> Result:
        data = {"key": closing.key, "began": closing.began.isoformat()}
        told = {"type": "sayso.page.resolved", "timestamp": closing.at.isoformat(), "data": data}
        return await self._send(f"{closing.key} {closing.began.isoformat()} resolved {closing.count}", told)

    async def _send(self, event: str, told: Mapping[str, Any]) -> Result:
        """The id is the same for each attempt of one event, the time is not."""
        body = _encode(told)
        headers = self.sign(f"msg_{hashlib.sha256(event.encode()).hexdigest()[:32]}", self.wall(), body)
        return await attempt(
            self.http, httpx.URL(self.url), body, who="The webhook", secret="", headers=headers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerPager:
    """Whatever takes the webhook of Prometheus' Alertmanager, version 4 (Grafana OnCall, GoAlert and others)."""

    http: httpx.AsyncClient
    url: str
    token: str = ""

    @property
    def platform(self) -> str:
        return "alertmanager"

    async def trigger(self, alarm: Alarm) -> Result:
        said = _said(alarm)
        notes = {
            "summary": said["summary"],
            "description": "\n".join(f"{k}: {v}" for k, v in said["details"].items()),
        }
        for number, link in enumerate(said["links"], 1):
            notes[f"link{number}"] = link["href"]
        return await self._send("firing", alarm.key, alarm.at, _OPEN_END, notes)

    async def resolve(self, closing: Closing) -> Result:
        return await self._send("resolved", closing.key, closing.began, closing.at.isoformat(), {})

    async def _send(
        self, status: str, key: str, began: datetime, ends: str, notes: Mapping[str, str]
    ) -> Result:
        labels = {
            "alertname": "SaysoApproval",
            "sayso_page": key,
            "severity": "critical",
        }  # the same when it ends
        fingerprint = hashlib.sha256(key.encode()).hexdigest()[:16]
        alert = {
            "status": status, "labels": labels, "annotations": notes, "startsAt": began.isoformat(), "endsAt": ends,
            "generatorURL": "", "fingerprint": fingerprint,
        }  # fmt: skip
        told = {
            "version": "4", "groupKey": f'{{}}:{{sayso_page="{key}"}}', "truncatedAlerts": 0, "status": status,
            "receiver": "sayso", "groupLabels": {"sayso_page": key}, "commonLabels": labels,
            "commonAnnotations": notes, "externalURL": "", "alerts": [alert],
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return await attempt(
            self.http,
            httpx.URL(self.url),
            _encode(told),
            who="The receiver",
            secret=self.token,
            headers=headers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JsmPager:
    """JSM Operations, or Opsgenie by its own address: the same shapes and the same key."""

    http: httpx.AsyncClient
    url: str
    key: str

    @property
    def platform(self) -> str:
        return "jsm"

    async def trigger(self, alarm: Alarm) -> Result:
        said = _said(alarm)
        description = "\n".join(f"{name}: {text}" for name, text in said["details"].items())
        told = {
            "message": cut(alarm.summary, JSM_MESSAGE), "alias": alarm.key, "source": cut(alarm.source, 100),
            "description": cut(description, JSM_DESCRIPTION), "priority": _PRIORITY[alarm.severity],
            "details": {link["text"]: link["href"] for link in said["links"]}, "entity": cut(alarm.component, 200),
        }  # fmt: skip
        return await self._send("/v2/alerts", told)

    async def resolve(self, closing: Closing) -> Result:
        path = f"/v2/alerts/{quote(closing.key, safe='')}/close?identifierType=alias"
        return await self._send(path, {"source": "sayso", "note": "Nobody is needed any more."})

    async def _send(self, path: str, told: Mapping[str, Any]) -> Result:
        url = httpx.URL(str(base_url(self.url)).rstrip("/") + path)
        headers = {"Authorization": f"GenieKey {self.key}"}
        return await attempt(
            self.http, url, _encode(told), who="JSM Operations", secret=self.key, headers=headers
        )


def _said(alarm: Alarm) -> dict[str, Any]:
    """The alarm as JSON, every text cut: a page is never too big to be sent."""
    details = list(alarm.details.items())[:MOST_DETAILS]
    return {
        "key": alarm.key, "summary": cut(alarm.summary, 1_000), "severity": alarm.severity.value,
        "source": cut(alarm.source, 100), "tool": cut(alarm.component, 200), "route": cut(alarm.group, 100),
        "details": {cut(name, 100): cut(text, DETAIL) for name, text in details},
        "links": [{"href": clean(link.href), "text": cut(link.text, 100)} for link in alarm.links[:10] if len(link.href) <= DETAIL],
    }  # fmt: skip


def _encode(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
