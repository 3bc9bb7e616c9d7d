"""What the person on call reads at 3 a.m.: what is asked, what happens if nobody acts, what they may do, where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo

from ..approvals.deadline import StepKind
from ..approvals.people import PersonId
from ..approvals.request import Request, State
from . import rows, values
from .escape import cut, https, line
from .rows import Writer
from .spans import plain
from .standing import is_unknown

#: Longest summary, in UTF-16 units; a telephone shows about as much.
SUMMARY = 250


def page_summary(request: Request, *, tz: tzinfo = UTC) -> str:
    """One sentence that says why somebody is woken."""
    what = line(request.proposal.action.summary)
    if is_unknown(request):
        return cut(f"Nobody knows whether this happened, please look: {what}", SUMMARY)
    if request.state is not State.OPEN:
        return cut(f"Decided, but the agent does not come back: {what}", SUMMARY)
    until = Writer(str, tz).when(request.ask.deadline.expires_at).words
    return cut(f"An AI agent needs a person's yes or no by {until}, or it is cancelled: {what}", SUMMARY)


def page_details(
    request: Request, *,
    name: Callable[[PersonId], str], links: Mapping[str, str] | None = None, tz: tzinfo = UTC,
) -> Mapping[str, str]:  # fmt: skip
    """The same in full, heading -> words. `links`: name of a place -> https address of its card."""
    writer = Writer(name, tz)
    action = request.proposal.action
    arguments = "; ".join(
        f"{values.name_of(key).text} = {values.brief(value).text}"
        for key, value in list(action.arguments.items())[: rows.MOST_ARGUMENTS]
    )
    risks = rows.flags(request)
    said = {
        "What is asked": cut(line(action.summary), rows.SUMMARY),
        "Exactly": f"{line(action.tool)}: {arguments}",
        "Why the agent wants it": rows.prose(action.reasoning),
        "Risk": ", ".join(risks) or "no flags",
        "Asked by": plain(rows.asked_for(request, writer)),
        "If nobody acts": _if_nobody_acts(request, writer),
        "What you may do": _may_do(request),
        "Request": request.id,
    }
    cards = {f"Card in {line(where)}": url for where, url in (links or {}).items() if https(url)}
    return {**said, **cards}


def _if_nobody_acts(request: Request, writer: Writer) -> str:
    if is_unknown(request):
        return "It stays unknown; nothing is run again by itself."
    if request.state is not State.OPEN:
        return "It is tried again every ten minutes; nothing was done so far."
    until = writer.when(request.ask.deadline.expires_at).words
    return f"At {until} it is cancelled: nothing is done, and the agent and the requester are told."


def _may_do(request: Request) -> str:
    sets = ", ".join(line(one) for one in dict.fromkeys(request.approver_sets))
    if is_unknown(request):
        return f"Look whether it happened; then one of {sets} says so on the card, orders another run or gives up."
    if request.state is not State.OPEN:
        return "Look whether the workers run (sayso serve --role worker) and reach the store. Nobody is asked again."
    page = next((step for step in request.ask.deadline.steps if step.kind is StepKind.PAGE), None)
    if page and page.adds in request.approver_sets:
        return (
            f"Approve, modify or reject on the card (you count as {line(page.adds)}), or let it be cancelled."
        )
    return f"You cannot decide this yourself: reach one of {sets}, or let it be cancelled."
