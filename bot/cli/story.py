"""`sayso audit show`: one request's life told from the audit trail alone, from the store or from an export."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from ...approvals import canonical, redis_rows
from ...approvals.change import AuditEntry, AuditRecord, Event
from ...approvals.linking import Line, LinkKeys, UnknownLinkKey, Withheld
from ...approvals.packed import unpack
from ...approvals.request import PARTITIONS, partition_of
from ...approvals.verdict import RequestId, ThreadId
from ...cards.escape import cut, line
from ..evidence.reading import Export, read_export
from ..opening import open_store
from ..settings import load_settings
from ..signing_keys import kept_link_keys
from .evidence import export_keys, lines_of
from .terminal import console, namer
from .timeline import UnknownId, print_trail

#: Reads one partition's lines from their beginning; the text is the link that the first of them follows.
Lines = Callable[[int], AsyncIterator[tuple[str, Line]]]
#: What is said of a line whose link is right.
RIGHT = "as it was written"
NOT_YET = "not linked yet"
#: So much of a fact is printed.
FACT_CHARACTERS = 100
INDENT = " " * 12


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story, and what its link proves."""

    line: Line
    proof: str


def print_story(file: Path | None, id: str, export: Path | None, *, cards: bool) -> int:
    """Print it; 1 when a line is not as it was written. Raises: UnknownId, SaysoError."""
    if export is not None:
        keys, read = export_keys(file), read_export(lines_of(export))
        story = asyncio.run(_story(_of_export(read), keys, id.strip()))
        return _print(story, lambda who: who, console(), cards=cards)
    settings = load_settings(file)
    keys = kept_link_keys(settings)

    async def from_store() -> list[Told]:
        async with open_store(settings) as store:

            async def lines(partition: int) -> AsyncIterator[tuple[str, Line]]:
                before = (await store.cleared(partition)).mark.link
                async for one in store.lines(partition):
                    yield before, one
                    before = one.link.text if one.link else ""

            return await _story(lines, keys, id.strip())

    return _print(asyncio.run(from_store()), namer(settings), console(), cards=cards)


def _of_export(export: Export) -> Lines:
    async def lines(partition: int) -> AsyncIterator[tuple[str, Line]]:
        mark = export.begins.get(partition)
        before = mark.link if mark else ""
        for one in export.lines:
            if one.partition == partition:
                yield before, one
                before = one.link.text if one.link else ""

    return lines


async def _story(lines: Lines, keys: LinkKeys, id: str) -> list[Told]:
    """The lines about a request and its run; of a run all of them. Raises: UnknownId."""
    partition = _partition(id)
    about = {(one.thread, one.request) async for _, one in lines(partition)}
    requests = {(thread, request) for thread, request in about if request and request == id}
    thread = next((thread for thread, _ in requests), id)
    if thread not in {one for one, _ in about}:
        raise UnknownId(f"The audit trail knows no request and no run {id!r}; give the whole id.")
    wanted = {"", id} if requests else {request for _, request in about}
    return [
        Told(one, _proof(keys, before, one))
        async for before, one in lines(partition)
        if one.thread == thread and one.request in wanted
    ]


def _partition(id: str) -> int:
    """Where the lines are: a request's id begins with it, a run's is counted out."""
    if (
        id[2:3] == "-"
        and all(digit in "0123456789abcdef" for digit in id[:2])
        and int(id[:2], 16) < PARTITIONS
    ):
        return int(id[:2], 16)
    return partition_of(ThreadId(id))


def _proof(keys: LinkKeys, before: str, one: Line) -> str:
    if one.trouble:
        return one.trouble
    if one.link is None:
        return NOT_YET
    try:
        return RIGHT if keys.fits(before, one) else "WRONG: this line, or the one before it, was changed"
    except UnknownLinkKey as error:
        return str(error)


def _print(story: Sequence[Told], name: Callable[[str], str], out: Console, *, cards: bool) -> int:
    told = {one.line.number: one for one in story}

    def prove(record: AuditRecord) -> None:
        _print_proof(record, told[record.number].proof, out, cards=cards)

    print_trail([_record(one.line) for one in story], name, out, after=prove)
    wrong = [one for one in story if one.proof not in (RIGHT, NOT_YET)]
    unlinked = sum(1 for one in story if one.proof == NOT_YET)
    more = f"; {unlinked} not linked yet" if unlinked else ""
    right = len(story) - len(wrong) - unlinked
    out.print(f"\n{right} of {len(story)} lines are as they were written and in their place{more}.")
    return 1 if wrong else 0


def _print_proof(record: AuditRecord, proof: str, out: Console, *, cards: bool) -> None:
    facts = [f"{name} {cut(line(value), FACT_CHARACTERS)}" for name, value in record.entry.facts.items()]
    said = f"record {record.number}" + (f": {proof}" if proof != RIGHT else "")
    text = textwrap.fill(", ".join((said, *facts)), max(out.width - len(INDENT), 40), break_on_hyphens=False)
    out.print(textwrap.indent(text, INDENT), style="dim" if proof == RIGHT else "bold", soft_wrap=True)
    if cards and record.entry.shown:
        out.print(textwrap.indent(_card(record.entry.shown), f"{INDENT}| "), soft_wrap=True)


def _card(packed: str) -> str:
    try:
        return unpack(packed).rstrip()
    except ValueError:
        return "(the card is withheld, or is none)"


def _record(one: Line) -> AuditRecord:
    """The line as trails are printed; what cannot be read says so."""
    try:
        entry = canonical.decode(AuditEntry, json.dumps(_readable(one.entry)))
    except ValidationError:
        entry = AuditEntry(event=Event.STEP, words="(this record cannot be read)")
    return AuditRecord(
        number=one.number, at=redis_rows.time(one.at_ms), thread=ThreadId(one.thread),
        request=RequestId(one.request) if one.request else None, entry=entry,
    )  # fmt: skip


def _readable(value: object) -> object:
    """The entry, with a word in place of what is withheld."""
    if isinstance(value, Withheld):
        return "(withheld)"
    return {name: _readable(one) for name, one in value.items()} if isinstance(value, Mapping) else value
