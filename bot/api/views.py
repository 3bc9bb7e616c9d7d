"""How a run and its requests stand, as a service reads it: only what is durable, and nothing that anybody could approve with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...approvals.change import REPORT, AuditRecord, Event, Notice, NoticeKind
from ...approvals.errors import RequestNotFound
from ...approvals.looks import withheld_in
from ...approvals.marks import notice_id
from ...approvals.naming import request_id
from ...approvals.request import EffectState, OutcomeKind, Request, Run, State
from ...approvals.store import Store, Target, TargetKind
from ...approvals.verdict import RequestId
from ...cards.escape import clean, cut, line
from ...cards.standing import is_unknown

#: Requests of one run that are shown, the newest.
MOST_REQUESTS = 50
#: Longest summary and longest words of an outcome, UTF-16 units.
SENTENCE = 300


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"  #: the agent works, or waits for a worker
    WAITING = "waiting"  #: for people
    ENDED = "ended"


class End(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class CardPlace(_View):
    """A place where people are asked."""

    place: str = Field(description='As in the settings ("slack:C0123ABC").')
    shown: bool = Field(description="Whether a card stands there.")


class OutcomeView(_View):
    """How a request ended."""

    kind: OutcomeKind
    words: str
    at: datetime
    result: Any = Field(default=None, description="What the tool returned; null where none ran.")


class RequestView(_View):
    """One action that people are asked about."""

    id: str
    run: str
    state: State
    tool: str
    summary: str
    route: str
    asked_at: datetime
    answer_by: datetime = Field(description="Until when its approvers have time.")
    expires_at: datetime = Field(description="When it is cancelled, if nobody decides.")
    votes: int = Field(description="Approvals so far.")
    needed: int
    outcome_unknown: bool = Field(description="The tool started and never reported; people settle it.")
    places: list[CardPlace]
    outcome: OutcomeView | None = None


class RunView(_View):
    """A run as it stands now."""

    id: str
    graph: str
    asked_by: str | None
    state: RunState
    ended: End | None = None
    report: str = Field(default="", description="The agent's last words, once it has ended.")
    changed_at: datetime = Field(description="When something last happened to it.")
    requests: list[RequestView] = Field(description=f"The newest {MOST_REQUESTS}, oldest first.")
    links: dict[str, str]


class RunsView(_View):
    """A page of runs."""

    runs: list[RunView] = Field(description="By their ids.")
    next: str | None = Field(default=None, description="Where the next page is; null on the last one.")


class Views:
    """Reads the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, run: Run, trail: Sequence[AuditRecord] | None = None) -> RunView:
        """A run. `trail` is its audit trail, where it was just read."""
        trail = trail if trail is not None else await self._store.trail(run.thread)
        asked = await self.requests_of(trail)
        ended, waits = end_of(trail), any(map(waits_for_people, asked))
        state = RunState.ENDED if ended else RunState.WAITING if waits else RunState.RUNNING
        here = f"/v1/runs/{run.thread}"
        return RunView(
            id=run.thread, graph=run.graph, asked_by=run.asked_by, state=state, ended=ended,
            report=await self._report(run) if ended else "", changed_at=trail[-1].at if trail else await self._store.now(),
            requests=[await self.request(one) for one in asked[-MOST_REQUESTS:]],
            links={"self": here, "withdraw": f"{here}/withdraw"},
        )  # fmt: skip

    async def request(self, request: Request) -> RequestView:
        """A request."""
        told = await self._store.all_told(request.id)
        cards = [Target(kind=TargetKind.CARD, id=request.id, where=place) for place in request.card_places]
        shown = {card.where: str(card) in told and told[str(card)].ref is not None for card in cards}
        deadline, action = request.ask.deadline, request.proposal.action
        return RequestView(
            id=request.id, run=request.ask.run.thread, state=request.state, tool=action.tool,
            summary=cut(line(action.summary), SENTENCE), route=request.ask.route, asked_at=request.ask.opened_at,
            answer_by=deadline.ends_at, expires_at=deadline.expires_at, votes=len(request.votes),
            needed=request.ask.rule.needed, outcome_unknown=is_unknown(request),
            places=[CardPlace(place=place, shown=is_shown) for place, is_shown in shown.items()],
            outcome=_outcome(request),
        )  # fmt: skip

    async def requests_of(self, trail: Sequence[AuditRecord]) -> list[Request]:
        """What people were asked in a run, oldest first, each with the rounds that replaced it."""
        opened = [one.request for one in trail if one.entry.event is Event.OPENED and one.request]
        found: dict[RequestId, Request] = {}
        for first in dict.fromkeys(opened):
            id: RequestId | None = first
            while id is not None and id not in found:
                try:
                    found[id] = request = await self._store.get(id)
                except RequestNotFound:
                    break
                id = _next_round(request)
        return list(found.values())

    async def _report(self, run: Run) -> str:
        last = Notice(key=REPORT, kind=NoticeKind.REPORT, place=run.told_in, thread=run.thread)
        notice = await self._store.notice(notice_id(last))
        return clean(notice.text).strip() if notice else ""


def end_of(trail: Sequence[AuditRecord]) -> End | None:
    """How the run ended; None while it has not."""
    for record in reversed(trail):
        match record.entry.event:
            case Event.RUN_FINISHED:
                return End.FINISHED
            case Event.RUN_FAILED:
                return End.FAILED
    return None


def waits_for_people(request: Request) -> bool:
    """Whether somebody has to answer it, or to say what became of its tool."""
    return request.state is State.OPEN or is_unknown(request)


def _next_round(request: Request) -> RequestId | None:
    """The request that asks again, if there is one."""
    replaced = request.outcome is not None and request.outcome.kind is OutcomeKind.INVALIDATED
    key = request.ask.key
    return request_id(replace(key, round=key.round + 1)) if replaced else None


def _outcome(request: Request) -> OutcomeView | None:
    if request.outcome is None:
        return None
    effect = request.effect
    told = request.says_failed or (effect is not None and effect.state is EffectState.DONE and effect.result)
    return OutcomeView(
        kind=request.outcome.kind, words=cut(line(request.outcome.words), SENTENCE), at=request.outcome.at,
        result=withheld_in(json.loads(effect.result)) if told and effect else None,
    )  # fmt: skip
