"""What the record suggests about the gates: where people add nothing, where the agent does, who answers unread; pure.

Nothing here is ever applied: each suggestion says its numbers, and a person changes the policy or does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from ..approvals.change import AuditRecord, Event
from ..approvals.people import PersonId
from ..approvals.request import Proposal, Request
from ..approvals.verdict import Approve, RequestId
from .policy import MANDATORY, Policy

#: Below this number of cases nothing is concluded.
ENOUGH = 5
#: An approval that comes within this time was hardly thought about, seconds.
AT_ONCE = 15
#: Signs that a fast reader takes in within a second (about 300 words in a minute).
SIGNS_A_SECOND = 30
#: From this share of somebody's votes on, it is a habit.
HABIT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Something to think about.

    Attributes:
        about: What it is about: "tools.issue_refund", "people.bo".
        numbers: What was counted.
        words: What could be changed.
    """

    about: str
    numbers: str
    words: str


@dataclass(frozen=True, slots=True)
class _Vote:
    """One vote, how many seconds after the card stood there, and how much there was to read (signs)."""

    by: PersonId
    seconds: float
    signs: int

    @property
    def unread(self) -> bool:
        return self.seconds * SIGNS_A_SECOND < self.signs


def advice(
    requests: Mapping[RequestId, Request], trail: Sequence[AuditRecord], policy: Policy
) -> tuple[Suggestion, ...]:
    """Every suggestion, tools first.

    Args:
        requests: What is still on record of the time.
        trail: The audit trail of that time, in order.
    """
    about = defaultdict[RequestId | None, list[AuditRecord]](list)
    for record in trail:
        about[record.request].append(record)
    requests = {id: request for id, request in requests.items() if not request.ask.undoes}
    votes = {id: tuple(_votes(request, about[id])) for id, request in requests.items()}
    by_tool = defaultdict[str, list[Request]](list)
    for request in requests.values():
        if request.decision is not None:
            by_tool[request.ask.first.proposal.action.tool].append(request)
    about_tools = (
        one for tool, some in sorted(by_tool.items()) for one in _of_tool(tool, some, votes, policy)
    )
    return (*about_tools, *_of_people(one for some in votes.values() for one in some))


def _of_tool(
    tool: str, decided: Sequence[Request], votes: Mapping[RequestId, Sequence[_Vote]], policy: Policy
) -> Iterator[Suggestion]:
    if len(decided) < ENOUGH:
        return
    as_asked = [one for one in decided if _approved_as_asked(one)]
    took = [votes[one.id][-1].seconds for one in as_asked if votes[one.id]]
    if len(as_asked) == len(decided) and len(took) >= ENOUGH and median(took) <= AT_ONCE:
        yield Suggestion(
            about=f"tools.{tool}",
            numbers=f"{len(decided)} of {len(decided)} approved as asked, half of them within {median(took):.0f} s",
            words=_ask_less(tool, policy),
        )
    if not as_asked:
        edited = sum(1 for one in decided if one.revisions)
        yield Suggestion(
            about=f"tools.{tool}",
            numbers=f"0 of {len(decided)} approved as asked ({edited} edited first)",
            words="What the agent proposes is not what people want: change its instructions or the tool's defaults.",
        )


def _ask_less(tool: str, policy: Policy) -> str:
    category = policy.of(tool).category
    if category in MANDATORY:
        return (
            f"People seem to add little, but {category} is always put to people: look for a narrower tool whose "
            "harmless part has another category, or for one question about many such actions."
        )
    return (
        "People seem to add little: rate it lower where its arguments are harmless (a case with “if”), "
        "and see with `sayso policy compare` what that would change."
    )


def _of_people(votes: Iterable[_Vote]) -> Iterator[Suggestion]:
    by_person = defaultdict[PersonId, list[_Vote]](list)
    for vote in votes:
        by_person[vote.by].append(vote)
    for person, some in sorted(by_person.items()):
        unread = [one for one in some if one.unread]
        if len(some) < ENOUGH or len(unread) < HABIT * len(some):
            continue
        took, signs = median(one.seconds for one in unread), round(median(one.signs for one in unread))
        yield Suggestion(
            about=f"people.{person}",
            numbers=(
                f"{len(unread)} of {len(some)} votes came faster than the card can be read "
                f"(half within {took:.0f} s, for {signs} signs)"
            ),
            words="Ask about less, or have two people agree (`needed = 2`) on what has to be read.",
        )


def _votes(request: Request, mine: Sequence[AuditRecord]) -> Iterator[_Vote]:
    """Votes on what the agent proposed, in order, from when a card first showed it; what was shown nowhere tells nothing."""
    shown = {
        record.entry.facts.get("revision", ""): record.at
        for record in reversed(mine)
        if record.entry.event is Event.SHOWN
    }
    signs = _signs(request.ask.first.proposal)
    for record in mine:
        revision = record.entry.facts.get("revision", "")
        if record.entry.event is Event.VOTED and revision == "1" and revision in shown:
            yield _Vote(PersonId(record.entry.by), (record.at - shown[revision]).total_seconds(), signs)


def _signs(proposal: Proposal) -> int:
    """How much there is to read before one can judge: the words and the arguments, not the labels."""
    action = proposal.action
    words = (action.summary, action.reasoning, action.unsure, *proposal.assessment.flags)
    return sum(map(len, words)) + sum(len(str(value)) for value in action.arguments.values())


def _approved_as_asked(request: Request) -> bool:
    return (
        request.decision is not None
        and isinstance(request.decision.verdict, Approve)
        and not request.revisions
    )
