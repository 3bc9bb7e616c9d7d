"""`sayso audit verify` and `export`: what is found, printed, and what is exported, written."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from ...approvals.change import NO_RUN, AuditEntry, Event
from ...approvals.errors import BadSetting
from ...approvals.inspecting import Anchored, Inspection
from ...approvals.linking import AUDIT_KEYS, LinkKeys, read_link_keys
from ..evidence.anchors import read_anchors
from ..evidence.checking import inspect_store
from ..evidence.exporting import Wanted, jsonl, table
from ..evidence.readers import Reader
from ..evidence.reading import inspect_export, read_export
from ..opening import open_store
from ..settings import Settings, load_settings
from ..signing_keys import kept_link_keys
from .policy_record import span_of

#: Faults that are printed.
MOST = 20


def print_verified(file: Path | None, export: Path | None, anchors: Sequence[Path]) -> int:
    """Check the store or an export, and say what was found; 1 when anything is wrong. Raises: SaysoError."""
    if export is not None:
        keys = export_keys(file)
        known, wrong = _anchors(anchors, keys)
        read = read_export(lines_of(export))
        found = inspect_export(read, keys, known)
        wrong += read.troubles
        anchored = bool(anchors)
    else:
        settings = load_settings(file)
        keys = kept_link_keys(settings)
        kept = [one for one in (settings.anchor_file,) if one and one.exists()]
        known, wrong = _anchors(anchors or kept, keys)
        found = asyncio.run(_inspected(settings, keys, known))
        anchored = bool(anchors or kept)
    _print_found(found, wrong)
    if not anchored:
        print("WARN   no anchors: that nothing was cut off at the end cannot be said (--anchors FILE)")
    return 1 if wrong or any(one.faults for one in found) else 0


def export_keys(file: Path | None) -> LinkKeys:
    """The keys for an export: of the environment alone, where they are there. Raises: BadSetting."""
    return read_link_keys(os.environ.get(AUDIT_KEYS, "")) or kept_link_keys(load_settings(file))


def lines_of(export: Path) -> list[str]:
    """Raises: BadSetting."""
    return _text_of(export).splitlines()


async def _inspected(settings: Settings, keys: LinkKeys, anchors: Sequence[Anchored]) -> list[Inspection]:
    async with open_store(settings) as store:
        return await inspect_store(store, keys, anchors)


def _anchors(files: Sequence[Path], keys: LinkKeys) -> tuple[list[Anchored], list[str]]:
    known, wrong = list[Anchored](), list[str]()
    for file in files:
        found, faults = read_anchors(_text_of(file), keys)
        known += found
        wrong += [f"{file}: {fault}" for fault in faults]
    return known, wrong


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadSetting(f"{file} cannot be read: {error.strerror}.") from error


def _print_found(found: Sequence[Inspection], wrong: Sequence[str]) -> None:
    faults = [fault for one in found for fault in sorted(one.faults, key=lambda fault: fault.number)]
    said = [*(str(fault) for fault in faults), *wrong]
    for text in said[:MOST]:
        print(f"WRONG  {text}")
    if len(said) > MOST:
        print(f"WRONG  and {len(said) - MOST} more")
    checked, unlinked = sum(one.checked for one in found), sum(one.unlinked for one in found)
    print(f"{'WRONG' if said else 'ok   '}  {checked:,} records are as they were written and in their place")
    if unlinked:
        print(f"WARN   {unlinked:,} newer records are not linked yet, so nothing is said about them")


def write_export(file: Path | None, reader: Reader, out: Path | None, *, as_csv: bool, since: str) -> None:
    """Write the records; a named file is there whole or not at all. Raises: SaysoError."""
    settings = load_settings(file)
    span = span_of(since) if since else None
    keys = kept_link_keys(settings)
    if out is None:
        asyncio.run(_export(settings, keys, reader, sys.stdout, as_csv=as_csv, span=span))
        return
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
        ) as lines:
            asyncio.run(_export(settings, keys, reader, lines, as_csv=as_csv, span=span))
        draft.replace(out)
    except OSError as error:
        raise BadSetting(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)


async def _export(
    settings: Settings, keys: LinkKeys, reader: Reader, lines: TextIO, *, as_csv: bool, span: timedelta | None
) -> None:
    async with open_store(settings) as store:
        now = await store.now()
        wanted = Wanted(reader=reader, since=now - span if span else None)
        count = 0
        async for text in table(store, keys, wanted) if as_csv else jsonl(store, keys, wanted, now):
            lines.write(text)
            count += 1
        entry = AuditEntry(
            event=Event.AUDIT_EXPORTED, by=f"cli:{getpass.getuser()}", words=f"Exported for {reader.value}",
            facts={"lines": str(count)},
        )  # fmt: skip
        await store.note(entry, thread=NO_RUN)
