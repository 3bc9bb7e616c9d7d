"""The rows of an open card in the order a hurried reviewer needs them: what is asked, of what, why, until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from ..approvals.action import Action, Entity, Evidence
from ..approvals.deadline import StepKind
from ..approvals.people import PersonId
from ..approvals.quorum import taken
from ..approvals.request import Proposal, Request
from ..approvals.verdict import Approve, Modify
from . import values
from .escape import clean, cut, deceives, https, line
from .spans import Form, Link, Row, Span, Spans, Text, When, Where, Who

#: Limits of one value on a card, in characters, and of entries of one kind; Details has none.
SUMMARY, SENTENCE, PROSE, LABEL, FACT, EVIDENCE, LINES = 300, 300, 600, 80, 120, 160, 8
MOST_TARGETS, MOST_FACTS, MOST_ARGUMENTS, MOST_EVIDENCE, MOST_FLAGS, FLAG = 6, 6, 20, 8, 10, 40
#: What a person has changed may make it about something else.
BEFORE_THE_CHANGE = "What the agent says of goal, target and reason is from before."


@dataclass(slots=True)
class Writer:
    """Turns a record into words for one reader; remembers whether anything of the action was left out.

    Attributes:
        name: A person's name, from the directory.
        tz: Zone of the times in plain text.
        whole: False once something of the action itself did not fit.
    """

    name: Callable[[PersonId], str]
    tz: tzinfo
    whole: bool = field(default=True)

    def who(self, person: PersonId) -> Who:
        return Who(person, cut(line(self.name(person)), LABEL) or person)

    def people(self, persons: tuple[PersonId, ...]) -> Spans:
        """Several persons, joined as people say it."""
        spans: list[Span] = []
        for index, person in enumerate(persons):
            spans += [Text(" and " if index == len(persons) - 1 else ", ")] if index else []
            spans.append(self.who(person))
        return tuple(spans)

    def when(self, at: datetime) -> When:
        local = at.astimezone(self.tz)
        return When(at, f"{local:%a} {local.day} {local:%b %Y %H:%M %Z}")

    def must_fit(self, text: str, limit: int) -> str:
        """A part of the action, on one line; if it has to be cut, the card cannot be decided on."""
        shown = cut(line(text), limit)
        self.whole = self.whole and shown == line(text)
        return shown


def flags(request: Request) -> tuple[str, ...]:
    """What a hurried reader must see first."""
    said = [cut(line(flag), FLAG) for flag in request.proposal.assessment.flags]
    shown = [flag for flag in said if flag][:MOST_FLAGS]
    more = [f"{len(said) - MOST_FLAGS} more flags in Details"] if len(said) > MOST_FLAGS else []
    dead = ["Credential is dead"] if request.dead_credential else []
    tricks = ["Hidden characters in the text"] if deceives(request.current.frozen) else []
    return (*dead, *shown, *more, *tricks)


def open_rows(request: Request, proposal: Proposal, writer: Writer) -> tuple[Row, ...]:
    """Everything between summary and buttons, what a decision needs most first."""
    action = proposal.action
    return (
        *credential(request),
        _goal(request, action, writer),
        *_changed(request, proposal, writer),
        *what(action, writer),
        Row("Why", (Text(prose(action.reasoning)),), Form.QUOTE),
        _evidence(action.evidence),
        Row("Confidence", (Text(confidence(action)),)),
        *((Row("Unsure", (Text(prose(action.unsure)),), Form.QUOTE),) if action.unsure.strip() else ()),
        Row("Risk", (Text(cut(line(" ".join(proposal.assessment.reasons)), SENTENCE)),)),
    )


def credential(request: Request) -> Iterator[Row]:
    """Why it could not run as things are, and how that is mended."""
    if request.dead_credential:
        yield Row("Credential", (Text(cut(line(request.dead_credential.words), SENTENCE)),))


def what(action: Action, writer: Writer) -> tuple[Row, ...]:
    """How far it reaches, what it touches, and the exact call."""
    return (*_scope(action, writer), *_targets(action.targets, writer), *call(action, writer))


def prose(text: str) -> str:
    """Somebody's own words: without blank lines, cut in length and in lines."""
    lines = [" ".join(one.split()) for one in cut(clean(text), PROSE).split("\n") if one.strip()]
    more = [f"… ({len(lines) - LINES} more lines in Details)"] if len(lines) > LINES else []
    return "\n".join([*lines[:LINES], *more])


def confidence(action: Action) -> str:
    """How sure the agent says it is."""
    if action.confidence is None:
        return "not stated (counts as low)"
    return f"{action.confidence:.0%}".replace("%", " %")


def linked(text: str, url: str) -> Spans:
    """Words followed by their link; an address that is not plain https is shown as dead text."""
    if not url:
        return (Text(text),)
    if https(url):
        return (Text(f"{text} ("), Link(url), Text(")"))
    return (Text(f"{text} (no safe link: {cut(line(url).replace('://', '[:]//'), LABEL)})"),)


def asked_for(request: Request, writer: Writer) -> Spans:
    """Which agent, for whom, from where."""
    run = request.ask.run
    agent = cut(line(run.graph), LABEL)
    origin: Spans = (Text(", from "), Where(run.origin)) if run.origin else ()
    if run.asked_by:
        return (Text(f"{agent} for "), writer.who(run.asked_by), *origin)
    owner: Spans = (Text(", owned by "), writer.who(run.owner)) if run.owner else ()
    return (Text(f"{agent} for a service"), *owner, *origin)


def seats(request: Request) -> str:
    """How far each set is, where the rule has seats: "finance 1 of 2, security 0 of 1"; empty where it has none."""
    found = taken(request.ask.rule, request.votes)
    return ", ".join(f"{cut(line(one.approvers), LABEL)} {count} of {one.needed}" for one, count in found)


def needs(request: Request, writer: Writer) -> Row:
    """Whose answer is wanted, and the votes so far."""
    rule = request.ask.rule
    circles = " or ".join(cut(line(name), LABEL) for name in dict.fromkeys(request.approver_sets)) or "nobody"
    asked = f"{rule.needed} of {circles}"
    if each := seats(request):
        asked = f"{asked}: {each}" if rule.needed > sum(one.needed for one in rule.seats) else each
        more = " or ".join(cut(line(name), LABEL) for name in request.circles)
        asked += f"; {more} may take any seat" if more else ""
    spans: list[Span] = [Text(f"{asked}; whoever approves says why" if rule.ask_why else asked)]
    if barred := tuple(sorted(request.requesters)):
        spans += [Text(" (not "), *writer.people(barred), Text(")")]
    if veto := " or ".join(cut(line(name), LABEL) for name in rule.veto):
        spans.append(Text(f"; {veto} may reject"))
    votes = _votes(request, writer)
    spans += [Text("; votes: "), *(votes or (Text("none"),)), *((Text(" approved"),) if votes else ())]
    return Row("Needs", tuple(spans))


def _votes(request: Request, writer: Writer) -> Spans:
    """Who has agreed, and in whose place."""
    spans: list[Span] = []
    for index, vote in enumerate(request.votes):
        spans += [Text(" and " if index == len(request.votes) - 1 else ", ")] if index else []
        spans.append(writer.who(vote.person))
        spans += [Text(" (for "), *writer.people(vote.stands_for), Text(")")] if vote.stands_for else []
        if isinstance(vote.verdict, Approve | Modify) and (why := cut(line(vote.verdict.why), SENTENCE)):
            spans.append(Text(f" (“{why}”)"))
    return tuple(spans)


def deadline(request: Request, writer: Writer) -> Row:
    """Until when an answer counts, and what happens by itself then."""
    clock = request.ask.deadline
    cancelled = (writer.when(clock.expires_at), Text(", nothing is done"))
    if request.paged_at:
        spans: Spans = (
            Text("On-call was paged "),
            writer.when(request.paged_at),
            Text("; cancelled "),
            *cancelled,
        )
        return Row("Answer", spans)
    page = next((step for step in clock.steps[request.fired :] if step.kind is StepKind.PAGE), None)
    if page is None:
        return Row("Answer by", (*cancelled[:1], Text("; then it is cancelled, nothing is done")))
    circle = f"on-call ({cut(line(page.adds), LABEL)})" if page.adds not in ("", "on-call") else "on-call"
    return Row("Answer by", (writer.when(page.at), Text(f"; then {circle} is paged; cancelled "), *cancelled))


def on_it(request: Request, writer: Writer) -> Iterator[Row]:
    """Who looks at it already, and what waits for them."""
    if looking := request.looking:
        until = (Text("; the next step waits until "), writer.when(looking.until), Text(" at most"))
        yield Row("On it", (writer.who(looking.person), Text(" since "), writer.when(looking.since), *until))


def _goal(request: Request, action: Action, writer: Writer) -> Row:
    return Row("Goal", (Text(f"{cut(line(action.goal), SENTENCE)} · "), *asked_for(request, writer)))


def _changed(request: Request, proposal: Proposal, writer: Writer) -> Iterator[Row]:
    if not proposal.changes:
        return
    names = list(proposal.changes.items())[:MOST_ARGUMENTS]
    spans = [Text(f"{values.name_of(name).text}: {values.difference(*both)}") for name, both in names]
    if len(proposal.changes) > len(names):
        spans.append(Text(f"… and {len(proposal.changes) - len(names)} more changes in Details"))
    editor = request.current.editor
    by: Spans = (Text("by the agent, after a correction"),)
    if editor:  # what the agent had looked up was looked up for what it had proposed
        by = (Text("by "), writer.who(editor), Text(f". {BEFORE_THE_CHANGE}"))
    yield Row("Changed", by)
    yield Row("", tuple(spans), Form.VALUES)


def _scope(action: Action, writer: Writer) -> Iterator[Row]:
    if action.scope.strip():
        yield Row("Scope", (Text(writer.must_fit(action.scope, SENTENCE), strong=True),))


def _targets(targets: tuple[Entity, ...], writer: Writer) -> Iterator[Row]:
    for entity in targets[:MOST_TARGETS]:
        called = f"{entity.name} ({entity.id})" if entity.name else entity.id
        facts = [
            f"{cut(line(label), LABEL)}: {cut(line(fact), FACT)}"
            for label, fact in list(entity.facts.items())[:MOST_FACTS]
        ]
        more = len(entity.facts) - len(facts)
        facts += [f"{more} more facts in Details"] if more else []
        words = writer.must_fit(f"{entity.kind} {called}", FACT)
        after = (Text(" · " + " · ".join(facts)),) if facts else ()
        yield Row("Target", (*linked(words, entity.link), *after))
    if len(targets) > MOST_TARGETS:
        writer.whole = False
        yield Row("", (Text(f"… and {len(targets) - MOST_TARGETS} more targets in Details"),))


def call(action: Action, writer: Writer) -> Iterator[Row]:
    """The exact call."""
    yield Row("Action", (Text(writer.must_fit(action.tool, LABEL), strong=True),))
    pairs = []
    for name, value in list(action.arguments.items())[:MOST_ARGUMENTS]:
        key, shown = values.name_of(name), values.brief(value)
        writer.whole = writer.whole and key.whole and shown.whole
        pairs.append(Text(f"{key.text} = {shown.text}"))
    if len(action.arguments) > MOST_ARGUMENTS:
        writer.whole = False
        pairs.append(Text(f"… and {len(action.arguments) - MOST_ARGUMENTS} more arguments in Details"))
    if pairs:
        yield Row("", tuple(pairs), Form.VALUES)


def _evidence(evidence: tuple[Evidence, ...]) -> Row:
    if not evidence:
        return Row("Evidence", (Text("none given"),))
    spans: list[Span] = []
    for one in evidence[:MOST_EVIDENCE]:
        spans += [Text(" · ")] if spans else []
        spans += linked(cut(line(one.label), EVIDENCE), one.link)
    if len(evidence) > MOST_EVIDENCE:
        spans.append(Text(f" · {len(evidence) - MOST_EVIDENCE} more in Details"))
    return Row("Evidence", tuple(spans))
