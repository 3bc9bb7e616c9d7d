"""Reads an export back and checks it: no store and no settings are needed, only the keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...approvals import redis_rows
from ...approvals.errors import SaysoError
from ...approvals.inspecting import Anchored, Inspection
from ...approvals.linking import Line, Link, LinkKeys, Mark, UnknownLinkKey, Withheld
from .exporting import EXPORT


class NoExport(SaysoError):
    """This is no export of an audit trail; `sayso audit export` writes one."""


@dataclass(slots=True)
class Export:
    """What an export holds, in the order in which it stands there.

    Attributes:
        head: What it says of itself.
        troubles: What is wrong with the file, apart from its records.
        last: Its last line: ends, key and mac; empty where there is none.
    """

    head: Mapping[str, Any]
    begins: dict[int, Mark] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    last: Mapping[str, Any] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def read_export(texts: Iterable[str]) -> Export:
    """The export of these lines. Raises: NoExport."""
    rows = iter(texts)
    head = _json(next(rows, ""))
    if head is None or head.get("sayso_audit") != 1:
        raise NoExport
    export = Export(head=head)
    for number, text in enumerate(rows, 2):
        said = _json(text)
        try:
            if said is None or export.last:
                raise ValueError  # noqa: TRY301 said below, like whatever else does not fit
            _take(export, said)
        except (ValueError, KeyError, TypeError, AttributeError):
            export.troubles.append(f"line {number} of the file is not as sayso wrote it")
    return export


def _take(export: Export, said: Mapping[str, Any]) -> None:
    if "ends" in said:
        export.last = said
        return
    partition = int(said["partition"], 16)
    if "after" in said:
        if partition in export.begins or any(line.partition == partition for line in export.lines):
            raise ValueError
        export.begins[partition] = Mark(partition=partition, number=said["after"], link=said["link"])
        return
    at = datetime.fromisoformat(said["at"])
    export.lines.append(
        Line(
            partition=partition, number=said["number"], at_ms=redis_rows.ms(at), thread=said["thread"],
            request=said["request"], entry=_entry(said["entry"]), trouble=said.get("trouble", ""),
            link=Link(said["link"], said["key"]) if "link" in said else None,
        )
    )  # fmt: skip


def _entry(said: Mapping[str, Any] | None) -> Mapping[str, object] | None:
    if said is None:
        return None
    entry = {name: _seen(value) for name, value in said.items()}
    facts = said.get("facts")
    return (
        {**entry, "facts": {name: _seen(one) for name, one in facts.items()}} if facts is not None else entry
    )


def _seen(value: Any) -> object:
    return Withheld(value["withheld"]) if isinstance(value, dict) and value.keys() == {"withheld"} else value


def inspect_export(export: Export, keys: LinkKeys, anchors: Sequence[Anchored] = ()) -> list[Inspection]:
    """What each partition's records are like; what is wrong with the file itself is added to its troubles."""
    ends: Mapping[str, Sequence[int]] = export.last.get("ends", {})
    _check_end(export, keys)
    by_partition = dict[int, list[Line]]()
    for line in export.lines:
        by_partition.setdefault(line.partition, []).append(line)
    found = list[Inspection]()
    for partition in sorted({*by_partition, *export.begins, *(int(name, 16) for name in ends)}):
        lines = by_partition.get(partition, [])
        start = export.begins.get(partition, Mark(partition=partition))
        linked = max((line.number for line in lines if line.link), default=0)
        last, head = ends.get(f"{partition:02x}", (linked, linked))
        known = [one for one in anchors if one.number <= head]  # what came later is no fault of the export
        inspection = Inspection(keys, start, head=head, anchors=known)
        for line in lines:
            inspection.take(line)
        inspection.end(last)
        found.append(inspection)
    return found


def _check_end(export: Export, keys: LinkKeys) -> None:
    if not export.last:
        export.troubles.append("the file has no end: it was cut off")
        return
    begins = {f"{partition:02x}": [mark.number, mark.link] for partition, mark in export.begins.items()}
    try:
        mac = Link(str(export.last["mac"]), str(export.last["key"]))
        ours = keys.made(mac, EXPORT, [export.head, begins, export.last["ends"]])
    except (KeyError, UnknownLinkKey) as error:
        export.troubles.append(
            str(error) if isinstance(error, UnknownLinkKey) else "its last line is not whole"
        )
        return
    if not ours:
        export.troubles.append("its first or last line, or where a partition begins, was changed")


def _json(text: str) -> Mapping[str, Any] | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
