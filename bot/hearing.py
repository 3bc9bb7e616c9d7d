"""What people say to sayso, on any platform: a mention starts a run or lists what waits, and an answer is no new run.

A platform makes `Heard` of what arrived, and brings the `Reply` to people in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum

from ..approvals.crash import crash_point
from ..approvals.errors import NotAllowed, SaysoError, StoreDown, WhyNot
from ..approvals.people import Identity, Place
from ..approvals.request import Request
from ..approvals.verdict import Approve, RequestId, ThreadId
from ..cards.escape import cut, line
from ..cards.rows import SUMMARY
from ..cards.spans import Spans, Text
from ..cards.words import answered, paused, paused_what, refusal, trusts
from .desk import Desk
from .halting import span_of

#: Each platform goes on with how a card is answered there.
HELP = (
    "Mention me and say what you need done; I ask the right people before anything consequential happens. "
    "“pending” lists what waits for your answer; “withdraw” in a card's thread, or “withdraw” and a request's id, takes "
    "back what you asked for. Operators say “pause for 2h: why” and “unpause”; "
    "“hand over to NAME for 3d” lets a colleague decide in your place; “trust 30m: why” in the thread of a card that you "
    "approved lets exactly that run again without asking. "
)
NOTHING_STANDS = (
    "Nothing waits in this thread any more. Say “withdraw” and a request's id to take another one back."
)
#: "withdraw", "withdraw: why" and "withdraw 07-…, why"; "withdraw 200 EUR" is something to be done.
_WITHDRAW = re.compile(r"(?is)withdraw(?:\s+(?P<id>[0-9a-f]{2}-[0-9a-f]{20}))?\s*(?:[:,.]\s*(?P<why>.*))?")
#: Who may not decide may not ask either, but that is what they wanted.
MAY_NOT_ASK: Mapping[WhyNot, str] = {
    WhyNot.GUEST: "Guests cannot ask the agent for anything.",
    WhyNot.BOT: "Bots cannot ask the agent for anything.",
    WhyNot.FOREIGN: "People from outside this workspace cannot ask the agent for anything.",
}
#: "pause: why", "pause ops for 2h: why", "unpause" and "unpause ops: why"; "pause the campaign" is something to be done.
_PAUSE = re.compile(
    r"(?is)pause(?:\s+(?!for\s)(?P<graph>\S+?))?(?:\s+for\s+(?P<span>\w+))?\s*[:,]\s*(?P<why>.+)"
)
_UNPAUSE = re.compile(r"(?is)unpause(?:\s+(?P<graph>[^\s:,]+))?\s*(?:[:,]\s*(?P<why>.*))?")
#: "break glass: why" in a card's thread, "break glass 07-…: why" anywhere.
_GLASS = re.compile(
    r"(?is)break\s+(?:the\s+)?glass(?:\s+(?P<id>[0-9a-f]{2}-[0-9a-f]{20}))?\s*[:,]\s*(?P<why>.*)"
)
_WHICH_GLASS = (
    "Say which request: “break glass”, its id, a colon and why; or say it in the thread of its one card."
)
#: "hand over to bo for 3d: why", "hand over to bo from 2030-01-02 until 2030-01-05: why", "hand over to nobody".
_HAND_OVER = re.compile(
    r"(?is)hand\s+over\s+to\s+(?P<to>[^\s:,]+)(?:\s+for\s+(?P<span>\w+)|(?:\s+from\s+(?P<first>[\d-]+))?\s+until\s+(?P<last>[\d-]+))?"
    r"\s*(?:[:,.]\s*(?P<why>.*))?"
)
#: "trust 30m: why" in a card's thread, "trust 07-… 30m: why" anywhere; "distrust 1f2e…" ends one.
_TRUST = re.compile(
    r"(?is)trust(?:\s+(?P<id>[0-9a-f]{2}-[0-9a-f]{20}))?(?:\s+for)?\s+(?P<span>\d\w*)\s*[:,]\s*(?P<why>.*)"
)
_DISTRUST = re.compile(r"(?is)distrust\s+(?P<id>[0-9a-f]{6,64})\s*[.]?")
_WHICH_TRUST = "Say which request: “trust”, its id, for how long, a colon and why; or say it in the thread of its one card."
_TAKE_BACK = "Say “hand over to nobody” to have it back."
_DISTRUSTED = "It ends by itself, or when you say “distrust” and that id."
_ENDS = "Questions, reminders and deadlines run on. Say “unpause” to end it."
STARTED = "I am on it. Whatever needs somebody's say-so will be asked, and I report here."


class Audience(StrEnum):
    """For whom a reply is."""

    THREAD = "thread"  #: everybody who reads along
    BESIDE = "beside"  #: whoever spoke; others may read it
    ALONE = "alone"  #: whoever spoke, and nobody else


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Somebody said something, with the platform's own markup and the mention of sayso taken off.

    Attributes:
        thread: The thread it stands in, or begins, as "slack:C12/1699.01".
        message: The platform's id of it; Slack's is a time stamp.
        is_reply: It stands below an older message.
        run: The run it would start; the same for the same message.
        token: The same for the same message delivered again.
    """

    text: str
    thread: Place
    message: str
    is_reply: bool
    run: ThreadId
    who: Identity
    token: str


@dataclass(frozen=True, slots=True)
class Words:
    """Say this."""

    spans: Spans
    audience: Audience


@dataclass(frozen=True, slots=True)
class Waiting:
    """List what waits for whoever spoke, for them alone."""

    requests: Sequence[Request]


Reply = Words | Waiting

#: What to say to words that read like an answer to a card; empty where they answer none. Raises: SaysoError.
Answering = Callable[[Heard], Awaitable[Spans]]


class Ear:
    """Does what people say. What must not be lost is done when a method returns; the reply may be lost."""

    def __init__(self, *, desk: Desk, answering: Answering, help: str, tz: tzinfo = UTC) -> None:
        self._desk = desk
        self._answering = answering
        self._help = help
        self._tz = tz

    async def mentioned(self, heard: Heard) -> Reply | None:
        """Somebody spoke to us. Raises: StoreDown (the platform tries again)."""
        return await self._excused(self._does, heard)

    async def overheard(self, heard: Heard) -> Reply | None:
        """Somebody spoke where we read along: at most an answer, or what they asked for taken back. Raises: StoreDown."""
        return await self._excused(self._answers_or_takes_back, heard)

    async def _excused(self, act: Callable[[Heard], Awaitable[Reply | None]], heard: Heard) -> Reply | None:
        try:
            return await act(heard)
        except StoreDown:
            raise
        except SaysoError as error:
            return words(refusal(error, name=self._desk.name, tz=self._tz), Audience.ALONE)

    async def _does(self, heard: Heard) -> Reply | None:
        match heard.text.casefold():
            case "" | "help" | "?":
                return words(self._help + self._agents(), Audience.BESIDE)
            case "pending":
                return Waiting(await self._desk.pending(heard.who))
        for act in (
            self._answers_or_takes_back,
            self._pauses,
            self._unpauses,
            self._breaks_glass,
            self._hands_over,
            self._trusts,
            self._distrusts,
        ):
            if (reply := await act(heard)) is not None:
                return reply
        said = _WITHDRAW.fullmatch(heard.text)
        if said and (
            heard.is_reply or not said["why"]
        ):  # also when it is delivered again: it is for no agent
            return words(NOTHING_STANDS, Audience.BESIDE)
        goal = heard.text.encode(errors="replace").decode()  # half a character, which no record can hold
        graph, goal = addressed(goal, self._desk.graphs)
        try:
            started = await self._desk.ask(
                graph=graph,
                thread=heard.run,
                origin=heard.thread,
                goal=goal,
                who=heard.who,
                token=heard.token,
            )
        except NotAllowed as error:
            if error.why not in MAY_NOT_ASK:
                raise
            return words(MAY_NOT_ASK[error.why], Audience.ALONE)
        crash_point("ask-before-ack")
        return words(STARTED, Audience.THREAD) if started else None

    async def _breaks_glass(self, heard: Heard) -> Reply | None:
        said = _GLASS.fullmatch(heard.text)
        if said is None:
            return None
        ids = await self._meant(said, heard)
        if len(ids) != 1:
            return words(_WHICH_GLASS, Audience.BESIDE)
        done = await self._desk.break_glass(ids[0], said["why"], heard.who, token=heard.token)
        return words(answered(done.request, Approve(), self._desk.waits(done)), Audience.THREAD)

    async def _hands_over(self, heard: Heard) -> Reply | None:
        said = _HAND_OVER.fullmatch(heard.text)
        if said is None:
            return None
        days = (said["first"] or "", said["last"] or "")
        span = (said["span"] or "").casefold()
        given = await self._desk.hand_over(said["to"], span, days, said["why"] or "", heard.who)
        if given is None:
            return words("Your authority is yours again.", Audience.BESIDE)
        to, until = self._desk.name(given.to), f"{given.until.astimezone(self._tz):%a %d %b %Y %H:%M %Z}"
        return words(
            f"{to} decides in your place until {until}, and you do not. {_TAKE_BACK}", Audience.THREAD
        )

    async def _trusts(self, heard: Heard) -> Reply | None:
        said = _TRUST.fullmatch(heard.text)
        if said is None:
            return None
        trusting = self._desk.trusting
        found = await trusting.shown_in(heard.thread) if heard.is_reply else ()
        ids = [RequestId(said["id"].lower())] if said["id"] else found
        if len(ids) != 1:
            return words(_WHICH_TRUST, Audience.BESIDE)
        given = await trusting.trust(
            ids[0], said["span"].casefold(), said["why"], heard.who, token=heard.token
        )
        now = trusts(given, name=self._desk.name, now=given.since, tz=self._tz)
        return words(f"{now} {_DISTRUSTED}", Audience.THREAD)

    async def _distrusts(self, heard: Heard) -> Reply | None:
        said = _DISTRUST.fullmatch(heard.text)
        if said is None:
            return None
        ended = await self._desk.trusting.distrust(said["id"].lower(), heard.who)
        return words(f"People are asked again about {ended.tool}.", Audience.THREAD)

    async def _pauses(self, heard: Heard) -> Reply | None:
        said = _PAUSE.fullmatch(heard.text)
        graph = self._graph_named(said["graph"]) if said else None
        if said is None or graph is None:
            return None
        span = span_of((said["span"] or "").casefold())
        halt = await self._desk.pause(graph, span, said["why"], heard.who)
        now = paused(halt, name=self._desk.name, tz=self._tz)
        return words(f"{now}. Nothing starts, goes on or is done until then. {_ENDS}", Audience.THREAD)

    async def _unpauses(self, heard: Heard) -> Reply | None:
        said = _UNPAUSE.fullmatch(heard.text)
        graph = self._graph_named(said["graph"]) if said else None
        if said is None or graph is None:
            return None
        ended = await self._desk.unpause(graph, said["why"] or "", heard.who)
        return words(f"{' and '.join(map(paused_what, ended))} goes on.", Audience.THREAD)

    def _graph_named(self, name: str | None) -> str | None:
        """The agent that is meant: "" for all of them, None when there is none of this name."""
        if not name:
            return ""
        return next((one for one in self._desk.graphs if one.casefold() == name.casefold()), None)

    def _agents(self) -> str:
        usual, *others = self._desk.graphs or ("",)
        named = " or ".join(f"“{name}: …”" for name in others)
        return (
            f" I ask the agent {usual}, unless you begin with another one's name: {named}." if others else ""
        )

    async def _answers_or_takes_back(self, heard: Heard) -> Reply | None:
        if (reply := await self._answers(heard)) is not None:
            return reply
        said = _WITHDRAW.fullmatch(heard.text)
        ids = await self._meant(said, heard) if said else ()
        return await self._takes_back(ids, (said["why"] if said else "") or "", heard) if ids else None

    async def _meant(self, said: re.Match[str], heard: Heard) -> Sequence[RequestId]:
        """Which requests somebody wants to take back."""
        if said["id"]:
            return (RequestId(said["id"].lower()),)
        return await self._desk.standing_in(heard.thread) if heard.is_reply else ()

    async def _takes_back(self, ids: Sequence[RequestId], why: str, heard: Heard) -> Reply:
        if len(ids) > 1:
            return words(f"Which one? Say “withdraw” and its id: {', '.join(ids)}.", Audience.BESIDE)
        request = await self._desk.withdraw(ids[0], why, heard.who, token=heard.token)
        summary = cut(line(request.proposal.action.summary), SUMMARY)
        return words(f"Withdrawn, nothing is done: {summary}", Audience.BESIDE)

    async def _answers(self, heard: Heard) -> Reply | None:
        spans = await self._answering(heard)
        return Words(spans, Audience.BESIDE) if spans else None


def addressed(goal: str, graphs: Sequence[str]) -> tuple[str, str]:
    """Which agent is meant, and what it should do: the one it begins with ("mails: write to Dana"), else the first."""
    name, _, rest = goal.partition(":")
    meant = next((one for one in graphs if one.casefold() == name.strip().casefold()), "")
    return (meant, rest.strip()) if meant and rest.strip() else (next(iter(graphs), ""), goal)


def words(text: str, audience: Audience) -> Words:
    """A sentence of ours."""
    return Words((Text(text),), audience)
