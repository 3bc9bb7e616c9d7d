"""Where Teams wants each conversation written to, what it said last, and references that remember it."""

from __future__ import annotations

from ...approvals.store import MessageRef
from .port import PLATFORM, Conversation
from .registration import Registration

#: So many conversations are remembered; of the others each message keeps its own.
MOST = 10_000


class Whereabouts:
    """Service URLs by conversation, learned from what arrives; forgotten at exit, for each message keeps its own."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._newest = registration.service_url
        self._of: dict[str, str] = {}

    def learn(self, ref: MessageRef) -> None:
        """An authentic delivery came from there; other tenants may live in another part of the world."""
        self._of.pop(ref.channel, None)
        self._of[ref.channel] = ref.facts["service_url"]
        if len(self._of) > MOST:
            del self._of[next(iter(self._of))]  # the one heard of longest ago
        if ref.facts["tenant"] == self._registration.tenant:
            self._newest = ref.facts["service_url"]

    def of(self, channel: str, ref: MessageRef | None = None) -> str:
        """Where to write; `ref` is an older message in the conversation."""
        return self._of.get(channel) or (ref.facts.get("service_url") if ref else "") or self._newest

    def ref(self, where: Conversation, message: str) -> MessageRef:
        """A message just written: enough for any process to redraw it."""
        facts = {
            "tenant": self._registration.tenant, "service_url": self.of(where.channel),
            "bot_id": self._registration.bot_id,
        }  # fmt: skip
        return MessageRef(
            platform=PLATFORM,
            channel=where.channel,
            message=message,
            thread=where.root or message,
            facts=facts,
        )
