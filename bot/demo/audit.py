"""The page's panel on the record: the requests, and of one of them the trail and the line on what is happening."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...approvals.request import Request, State
from ...approvals.verdict import RequestId
from ...cards.standing import is_stuck, is_unknown
from ..cli.terminal import namer
from .happening import Tone, facts, together, tone
from .record import Record, process_of
from .stage import Stage

Json = dict[str, Any]
#: Requests to choose from.
NEWEST = 50
AWAY = "the store does not answer at the moment"


class Places:
    """Says where something stands as people call it, instead of by the platforms' ids."""

    def __init__(self, stage: Stage) -> None:
        work, people = stage.work, stage.office.settings.people
        slack = {f"slack:{one.id}": f"#{one.name} in Slack" for one in work.slack.workspace.channels.values()}
        teams = {f"teams:{one.id}": f"#{one.name} in Teams" for one in work.teams.tenant.channels.values()}
        persons = {f"person:{id}": f"{person.name}'s direct messages" for id, person in people.items()}
        self._names: Mapping[str, str] = slack | teams | persons
        known = "|".join(re.escape(place) for place in sorted(self._names, key=len, reverse=True))
        self._place = re.compile(rf"({known})(?![\w@-])(/\d+(?:\.\d+)?)?")

    def named(self, words: str) -> str:
        """A sentence with every known place in it named."""
        return self._place.sub(
            lambda found: ("a thread of " if found[2] else "") + self._names[found[1]], words
        )


class Audit:
    """The requests, and of one of them the trail and the line on what is happening."""

    name = "audit"

    def __init__(self, stage: Stage, record: Record) -> None:
        self._record = record
        self._name = namer(stage.office.settings)
        self._places = Places(stage)
        slack, teams = stage.work.slack.workspace.users, stage.work.teams.tenant.users
        self._strangers = {one.id: f"{one.real_name} in Slack" for one in slack.values()}
        self._strangers |= {one.aad: f"{one.real_name} in Teams" for one in teams.values()}
        self._choices: dict[RequestId, tuple[int, Json]] = {}

    async def state(self, viewer: str, selected: str) -> Json:
        self._record.check()
        request = self._record.chosen(selected)
        found = facts(request, self._record, self._name) if request else []
        line = [fact.words for fact in found]
        return {
            "requests": [self._choice(one) for one in self._record.newest_first()[:NEWEST]],
            "selected": request.id if request else "",
            "timeline": self._timeline(request) if request else [],
            "line": " · ".join([*line, AWAY] if self._record.away else line),
            "tone": _tone(request, self._record), "sources": [fact.source for fact in found],
        }  # fmt: skip

    async def act(self, what: str, told: Json) -> str:
        raise LookupError("The audit trail is only ever added to, and not by hand.")

    def _choice(self, request: Request) -> Json:
        """Made once for each version of the record: what was proposed has to be decoded for it."""
        version, choice = self._choices.get(request.id, (0, {}))
        if version != request.version:
            choice = {
                "id": request.id, "summary": request.proposal.action.summary, "state": _state(request),
                "waiting_for": _waiting_for(request), "run": request.ask.run.thread,
            }  # fmt: skip
            self._choices[request.id] = request.version, choice
        return choice

    def _timeline(self, request: Request) -> list[Json]:
        return [
            {"at": line.at.isoformat(), "event": line.entry.event.value, "words": self._places.named(line.entry.words), "by": self._by(line.entry.by)}
            for line in self._record.trail(request)
        ]  # fmt: skip

    def _by(self, who: str) -> str:
        pid = process_of(who)
        if pid:
            return f"worker, process {pid}"
        account = who.rpartition("/")[2] if who.startswith(("slack:", "teams:")) else ""
        return self._strangers.get(account) or self._name(who)


def _tone(request: Request | None, record: Record) -> Tone:
    return Tone.STOPPED if record.away else tone(request) if request else Tone.WAITS


def _state(request: Request) -> str:
    if request.outcome is not None and request.outcome.then is not None:
        return "sent back, not asked again"
    if request.outcome is not None:
        return request.outcome.kind.value
    if is_unknown(request):
        return "unknown: did it happen?"
    if is_stuck(request):
        return f"{request.state}, stuck"
    return "open, on-call paged" if request.state is State.OPEN and request.paged_at else request.state.value


def _waiting_for(request: Request) -> str:
    if request.state is State.OPEN:
        missing = request.ask.rule.needed - len(request.votes)
        sets = together(request.approver_sets, "or")
        return f"{missing} of {sets}" if request.ask.rule.needed > 1 else sets
    if is_unknown(request):
        return "somebody who knows"
    return "a worker" if request.live else ""
