"""`sayso pending` and `sayso show`: what waits for people, and the life of one request, as text for a terminal."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...approvals.change import AuditRecord, Event
from ...approvals.errors import RequestNotFound
from ...approvals.halt import Halt
from ...approvals.people import PersonId
from ...approvals.request import Request, Run, State
from ...approvals.store import Store, Target, TargetKind, Told
from ...approvals.trust import Trust
from ...approvals.verdict import RequestId, ThreadId
from ...approvals.watched import can_be_undone, has_card
from ...cards import plaintext
from ...cards.card import card_of
from ...cards.escape import cut, line
from ...cards.standing import is_stuck, is_unknown
from ...cards.words import trusts
from ..halting import Halting
from ..opening import open_store
from ..settings import Settings, load_settings
from ..trusting import Trusted
from .halting import words_of
from .terminal import console, fitted, local_zone, namer, span_words

#: The shortest beginning of an id that `show` takes for it.
SHORTEST_PREFIX = 6
#: A terminal this wide has room for whole ids in the list.
WIDE = 120

Name = Callable[[str], str]


class UnknownId(RequestNotFound):
    """There is no such request."""


# ---- pending


def print_pending(settings_file: Path | None) -> None:
    """List every request that is not closed, the most urgent first."""
    settings = load_settings(settings_file)
    requests, now, halts, trusted = asyncio.run(_live(settings))
    waiting = sorted((one for one in requests if has_card(one) and not can_be_undone(one)), key=_urgency)
    out = console()
    for halt in halts:
        out.print(f"{words_of(halt, settings)}.", style="bold red", soft_wrap=True)
    for trust in trusted:
        out.print(trusts(trust, name=namer(settings), now=now, tz=local_zone()), soft_wrap=True)
    if not waiting:
        out.print("Nothing waits for anybody.")
        return
    whole = out.width >= WIDE  # a pipe's always is
    ids = {one.id: one.id if whole else _short(one.id, [other.id for other in requests]) for one in waiting}
    out.print(_table(waiting, ids, now, namer(settings)))
    if not whole:
        out.print("\nsayso show ID tells the life of one; the beginning of an id is enough.", style="dim")


async def _live(settings: Settings) -> tuple[Sequence[Request], datetime, Sequence[Halt], Sequence[Trust]]:
    async with open_store(settings) as store:
        halts = await Halting(store=store, operators=()).standing()
        return await store.live(), await store.now(), halts, await Trusted(store=store).standing()


def _urgency(request: Request) -> tuple[bool, datetime]:
    """First what people have to answer, by when their time ends."""
    asks = request.state is State.OPEN or is_unknown(request)
    return not asks, request.ask.deadline.ends_at


def _short(id: str, ids: Sequence[str]) -> str:
    """The shortest beginning, of 10 characters or more, that no other id shares."""
    others = [other for other in ids if other != id]
    length = 10
    while any(other.startswith(id[:length]) for other in others):
        length += 1
    return id[:length]


def _table(waiting: Sequence[Request], ids: Mapping[RequestId, str], now: datetime, name: Name) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Id", no_wrap=True)
    table.add_column("What", ratio=1, overflow="fold")
    table.add_column("Asked by")
    for head in ("Route", "Votes", "Answer by"):
        table.add_column(head, no_wrap=True)
    table.add_column("State")
    for one in waiting:
        late = one.state is State.OPEN and one.ask.deadline.ends_at <= now
        table.add_row(
            Text(ids[one.id]), Text(cut(line(one.proposal.action.summary), 200)), Text(_asker(one.ask.run, name)),
            Text(one.ask.route), Text(f"{len(one.votes)} of {one.ask.rule.needed}"), Text(_answer_by(one, now)),
            Text(_state(one), style="bold red" if late or is_unknown(one) or is_stuck(one) else ""),
        )  # fmt: skip
    return table


def _asker(run: Run, name: Name) -> str:
    if run.asked_by:
        return name(run.asked_by)
    return f"a service of {name(run.owner)}" if run.owner else "nobody"


def _answer_by(request: Request, now: datetime) -> str:
    if request.state is not State.OPEN:
        return "-"
    deadline = request.ask.deadline
    if now < deadline.ends_at:
        return f"in {span_words(deadline.ends_at - now, 1)}"
    return f"grace: {span_words(deadline.expires_at - now, 1)}" if now < deadline.expires_at else "now"


def _state(request: Request) -> str:
    if is_unknown(request):
        return "unknown: did it happen?"
    if is_stuck(request):
        return f"{request.state}, stuck"
    return "open, on-call paged" if request.state is State.OPEN and request.paged_at else request.state.value


# ---- show


def print_timeline(settings_file: Path | None, id: str) -> None:
    """Print one request's card and its run's audit trail. Raises: UnknownId."""
    settings = load_settings(settings_file)
    asyncio.run(_show(settings, id.strip(), console()))


async def _show(settings: Settings, id: str, out: Console) -> None:
    name = namer(settings)
    async with open_store(settings) as store:
        thread, request = await _found(store, id)
        if request:
            _print_card(request, name, out)
            _print_copies(request, await store.all_told(request.id), out)
            thread = request.ask.run.thread
        run, trail = await store.run(thread), await store.trail(thread)
    _print_run(run or (request.ask.run if request else None), thread, name, out)
    print_trail(trail, name, out)


async def _found(store: Store, id: str) -> tuple[ThreadId, Request | None]:
    """The request of this id, or of the one open request whose id begins so; or the run of a thread's id."""
    try:
        request = await store.get(RequestId(id))
    except RequestNotFound:
        if await store.run(ThreadId(id)):
            return ThreadId(id), None
    else:
        return request.ask.run.thread, request
    if len(id) < SHORTEST_PREFIX:
        raise UnknownId(
            f"There is no request {id!r}; give its id, or at least {SHORTEST_PREFIX} characters of its beginning."
        )
    found = [one for one in await store.live() if one.id.startswith(id)]
    if len(found) > 1:
        raise UnknownId(f"{len(found)} requests begin with {id!r}; give more of the id.")
    if not found:
        raise UnknownId(
            f"There is no request {id!r}; `sayso pending` lists what waits (a closed one needs its whole id)."
        )
    return found[0].ask.run.thread, found[0]


def _print_card(request: Request, name: Name, out: Console) -> None:
    def named(person: PersonId) -> str:
        return name(person)

    card = plaintext.text(card_of(request, name=named, tz=local_zone()))
    body = "\n".join(card.rstrip("\n").split("\n")[:-1])  # the last line are buttons, and nobody clicks here
    out.print(fitted(body, out.width, plaintext.LABEL_WIDTH), soft_wrap=True)


def _print_copies(request: Request, told: Mapping[str, Told], out: Console) -> None:
    """Where it was told, and whether that shows what is true now."""
    targets = {
        Target(kind=TargetKind.CARD, id=request.id, where=place): Told() for place in request.card_places
    }
    targets |= {Target.parse(text): shown for text, shown in told.items()}
    if not has_card(request) or not targets:
        return
    lines = [
        _copy(target, shown, request)
        for target, shown in targets.items()
        if target.kind is not TargetKind.NOTICE
    ]
    out.print("\nTold in", style="bold")
    for one in lines:
        out.print(f"  {one}", soft_wrap=True)


def _copy(target: Target, shown: Told, request: Request) -> str:
    if target.kind is TargetKind.PAGE:
        return f"{target.where} (pager): {shown.status or 'not paged yet'}"
    if target.where in request.unreachable:
        return f"{target.where}: cannot be delivered, see `sayso dead-letters`"
    if shown.ref is None:
        tries = f" after {shown.attempts} tries" if shown.attempts else ""
        return f"{target.where}: not posted yet{tries}"
    current = "up to date" if shown.version >= request.version else "being redrawn"
    return f"{target.where}: {current}, message {shown.ref.message}"


def _print_run(run: Run | None, thread: ThreadId, name: Name, out: Console) -> None:
    out.print(f"\nRun {thread}", style="bold", soft_wrap=True)
    if run:
        where = f" in {run.origin}" if run.origin else ""
        said = cut(line(run.goal), 300)
        out.print(
            fitted(f"  {run.graph}, asked by {_asker(run, name)}{where}: {said}", out.width, 2),
            soft_wrap=True,
        )


def print_trail(
    trail: Sequence[AuditRecord], name: Name, out: Console, *, after: Callable[[AuditRecord], None] = lambda _: None
) -> None:  # fmt: skip
    """The audit trail by days: when, how long after the first line, who, what; and `after` each line what it prints."""
    zone = local_zone()
    for day, records in groupby(trail, key=lambda record: record.at.astimezone(zone).date()):
        out.print(f"{day:%A} {day.day} {day:%B %Y}", style="bold")
        for record in records:
            out.print(trail_line(record, trail[0].at, name, out.width), soft_wrap=True)
            after(record)


def trail_line(record: AuditRecord, first: datetime, name: Name, width: int) -> str:
    """One line of the trail; what goes on stands under its words."""
    entry = record.entry
    after = "+" + span_words(max(record.at - first, timedelta(0)))
    who = cut(line(name(entry.facts.get("person") or entry.by)), 20)
    head = f"  {record.at.astimezone(local_zone()):%H:%M:%S}  {after:<12}  {who:<14}  "
    words = textwrap.wrap(happened(record), max(width - len(head), 24), break_on_hyphens=False) or [""]
    return f"\n{' ' * len(head)}".join([head + words[0], *words[1:]])


def happened(record: AuditRecord) -> str:
    """What a line of the trail says, led by its event where the words alone do not say it."""
    event, words = record.entry.event, line(record.entry.words)
    if event in (Event.STEP, Event.BROKE_OFF) or words.casefold().startswith(event.value):
        return words
    return f"{event.value}: {words}"
