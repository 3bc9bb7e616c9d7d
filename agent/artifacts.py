"""What a tool hands its graph's code besides the words for its model (`response_format="content_and_artifact"`).

It stands in the record with the result, so that the tool's message has it whichever process goes on with the agent.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import Any

from .secrets import LiveTokens
from .serializer import StateSerializer, UnfitState

_log = logging.getLogger(__name__)

#: Most bytes of one that are kept.
MOST = 65_536
#: What the kept text begins with: the bytes in base64, or why there are none.
_KEPT, _LEFT_OUT = "msgpack:", "left out: "
_DAMAGED = "what the record holds of it cannot be read"


@dataclass(frozen=True, slots=True)
class WithArtifact:
    """What a tool returned: what its model reads, and what it hands on besides."""

    content: Any
    artifact: Any


def kept(returned: object, live: LiveTokens, tool: str) -> str:
    """The artifact in what `tool` returned, as text for the record; empty where there is none.

    The tool has run: one that is too large, that holds a token, or that is of a type which no agent's state may hold
    is left out aloud.
    """
    if not isinstance(returned, WithArtifact) or returned.artifact is None:
        return ""
    try:
        kind, body = StateSerializer(live=live).dumps_typed(returned.artifact)
    except (UnfitState, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, UnfitState) else "it cannot be kept"
    else:
        if kind == "msgpack" and len(body) <= MOST:
            return _KEPT + base64.b64encode(body).decode()
        why = f"it has {len(body):,} bytes, and {MOST:,} are kept at most"
    _log.warning("tool.artifact_left_out", extra={"tool": tool, "why": why})
    return f"{_LEFT_OUT}{why}"


def read(text: str) -> tuple[Any, str]:
    """The artifact that the record keeps, and why there is none; both empty where the tool handed nothing on."""
    if not text.startswith(_KEPT):
        return None, text.removeprefix(_LEFT_OUT)
    try:
        body = base64.b64decode(text.removeprefix(_KEPT), validate=True)
        return StateSerializer().loads_typed(("msgpack", body)), ""
    except (UnfitState, ValueError):
        return None, _DAMAGED
