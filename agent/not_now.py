"""Why a gate waits instead of acting."""

from __future__ import annotations

from langgraph.errors import GraphBubbleUp

from ..approvals.errors import SaysoError


class NotNow(SaysoError, GraphBubbleUp):
    """The gate waits. For LangGraph that is no failure, at which it would cancel the tools of neighbouring gates."""


class StillRunning(NotNow):
    """Another worker runs this tool right now, so it is left to that one."""


class HeldBack(StillRunning):
    """Sayso is paused, so it is left for later."""


class OutcomeUnknown(NotNow):
    """The tool was started and never reported; the run waits until people have settled what happened."""


class SignInAwaited(OutcomeUnknown):
    """Nothing was run, since nobody is signed in for it; the run waits until somebody is."""


class RunAgain(NotNow):
    """An idempotent tool did not finish; it is run again with the same key."""
