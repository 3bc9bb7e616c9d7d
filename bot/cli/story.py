"""`sayso audit show`: one request's life told from the audit trail alone, from the store or from an export."""

from __future__ import annotations

import asyncio
import json
import os
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from ...approvals import canonical, redis_rows
from ...approvals.change import AuditEntry, AuditRecord, Event
from ...approvals.errors import BadSetting, BadVote
from ...approvals.linking import Line, LinkKeys, UnknownLinkKey, Withheld
from ...approvals.naming import PARTITIONS, partition_of
from ...approvals.packed import unpack
from ...approvals.signing import Verifier
from ...approvals.verdict import RequestId, ThreadId, Vote
from ...cards.escape import cut, line
from ..evidence.reading import Export, read_export
from ..opening import open_store
from ..settings import Settings, load_settings
from ..signing_keys import kept_link_keys, load_verifier, read_verifier
from .evidence import export_keys, lines_of
from .terminal import console, namer
from .timeline import UnknownId, print_trail

#: Reads one partition's lines from their beginning; the text is the link that the first of them follows.
Lines = Callable[[int], AsyncIterator[tuple[str, Line]]]
#: What is said of a line whose link is right.
RIGHT = "as it was written"
NOT_YET = "not linked yet"
SIGNED = "the vote's signature is right"
UNCHECKED = "the vote's signature was not checked: SAYSO_VERIFY_KEYS is not set"
#: So much of a fact is printed.
FACT_CHARACTERS = 100
INDENT = " " * 12


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story, what its link proves and, of a vote, its signature; that is empty of anything else."""

    line: Line
    proof: str
    signed: str = ""

    @property
    def wrong(self) -> bool:
        return self.proof not in (RIGHT, NOT_YET) or self.signed not in ("", SIGNED, UNCHECKED)


@dataclass(frozen=True, slots=True)
class Proofs:
    """Says what is proven of a line; without a verifier nothing is said of signatures."""

    keys: LinkKeys
    verifier: Verifier | None

    def of_link(self, before: str, one: Line) -> str:
        """`RIGHT`, `NOT_YET`, or what is wrong."""
        if one.trouble:
            return one.trouble
        if one.link is None:
            return NOT_YET
        try:
            fits = self.keys.fits(before, one)
        except UnknownLinkKey as error:
            return str(error)
        return RIGHT if fits else "WRONG: this line, or the one before it, was changed"

    def of_vote(self, one: Line) -> str:
        """`SIGNED`, `UNCHECKED`, or what is wrong; empty where no vote is to be seen."""
        facts = one.entry.get("facts") if one.entry else None
        text = facts.get("vote") if isinstance(facts, Mapping) else None
        if not isinstance(text, str):
            return ""
        if self.verifier is None:
            return UNCHECKED
        try:
            self.verifier.check(canonical.decode(Vote, text))
        except (ValidationError, BadVote) as error:
            return f"WRONG: {error if isinstance(error, BadVote) else 'this is no vote'}"
        return SIGNED


def print_story(file: Path | None, id: str, export: Path | None, *, cards: bool) -> int:
    """Print it; 1 when a line is not as it was written. Raises: UnknownId, SaysoError."""
    if export is not None:
        keys, read = export_keys(file), read_export(lines_of(export))
        public = os.environ.get("SAYSO_VERIFY_KEYS", "")
        proofs = Proofs(keys, read_verifier(public) if public else None)
        return _print(
            asyncio.run(_story(_of_export(read), proofs, id.strip())), lambda who: who, console(), cards=cards
        )
    settings = load_settings(file)
    proofs = Proofs(kept_link_keys(settings), _verifier(settings))

    async def from_store() -> list[Told]:
        async with open_store(settings) as store:

            async def lines(partition: int) -> AsyncIterator[tuple[str, Line]]:
                before = (await store.cleared(partition)).mark.link
                async for one in store.lines(partition):
                    yield before, one
                    before = one.link.text if one.link else ""

            return await _story(lines, proofs, id.strip())

    return _print(asyncio.run(from_store()), namer(settings), console(), cards=cards)


def _verifier(settings: Settings) -> Verifier | None:
    try:
        return load_verifier(settings)
    except BadSetting:
        return None  # each vote says that it was not checked


def _of_export(export: Export) -> Lines:
    async def lines(partition: int) -> AsyncIterator[tuple[str, Line]]:
        mark = export.begins.get(partition)
        before = mark.link if mark else ""
        for one in export.lines:
            if one.partition == partition:
                yield before, one
                before = one.link.text if one.link else ""

    return lines


async def _story(lines: Lines, proofs: Proofs, id: str) -> list[Told]:
    """The lines about a request and its run; of a run all of them. Raises: UnknownId."""
    partition = _partition(id)
    about = {(one.thread, one.request) async for _, one in lines(partition)}
    requests = {(thread, request) for thread, request in about if request and request == id}
    thread = next((thread for thread, _ in requests), id)
    if thread not in {one for one, _ in about}:
        raise UnknownId(f"The audit trail knows no request and no run {id!r}; give the whole id.")
    wanted = {"", id} if requests else {request for _, request in about}
    return [
        Told(one, proofs.of_link(before, one), proofs.of_vote(one))
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


def _print(story: Sequence[Told], name: Callable[[str], str], out: Console, *, cards: bool) -> int:
    told = {one.line.number: one for one in story}

    def prove(record: AuditRecord) -> None:
        _print_proof(record, told[record.number], out, cards=cards)

    print_trail([_record(one.line) for one in story], name, out, after=prove)
    wrong = [one for one in story if one.wrong]
    unlinked = sum(1 for one in story if one.proof == NOT_YET)
    more = f"; {unlinked} not linked yet" if unlinked else ""
    right = sum(1 for one in story if one.proof == RIGHT)
    out.print(f"\n{right} of {len(story)} lines are as they were written and in their place{more}.")
    out.print("Whether any is missing says `sayso audit verify`.", style="dim")
    return 1 if wrong else 0


def _print_proof(record: AuditRecord, told: Told, out: Console, *, cards: bool) -> None:
    facts = [
        f"{name} {cut(line(value), FACT_CHARACTERS)}" for name, value in record.entry.facts.items() if name != "vote"
    ]  # fmt: skip
    said = f"record {record.number}" + (f": {told.proof}" if told.proof != RIGHT else "")
    text = ", ".join((said, *facts, *filter(None, (told.signed,))))
    wrapped = textwrap.fill(text, max(out.width - len(INDENT), 40), break_on_hyphens=False)
    out.print(textwrap.indent(wrapped, INDENT), style="bold" if told.wrong else "dim", soft_wrap=True)
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
