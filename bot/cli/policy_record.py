"""`sayso policy compare` and `sayso policy advice`: what the record says about another policy, and about this one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from ...agent.advice import advice
from ...agent.shadow import Difference, differences
from ...agent.table_forms import Duration
from ...approvals.change import AuditRecord
from ...approvals.errors import BadSetting
from ...approvals.request import Request
from ...approvals.verdict import RequestId
from ...cards.escape import cut, line
from ..opening import open_store
from ..record import requests_of
from ..settings import Settings, load_settings, policy_of
from .terminal import console, span_words

#: Examples of each difference that are printed.
EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is on record since some time.

    Attributes:
        gone: How many requests of that time were cleared away meanwhile.
    """

    trail: Sequence[AuditRecord]
    requests: dict[RequestId, Request]
    gone: int


def print_compared(file: Path | None, other: Path, since: str) -> None:
    """Print which gates would vanish or appear. Raises: BadSetting, StoreDown."""
    span, settings, policy = span_of(since), load_settings(file), policy_of(other)
    past, out = asyncio.run(_past(settings, span)), console()
    found = differences(past.requests.values(), settings.policy, policy)
    out.print(
        f"{_counted(len(past.requests), 'action')} of the last {span_words(span)}, by policy "
        f"{settings.policy.version} and by {policy.version} ({other})."
    )
    by_kind = defaultdict[tuple[str, str], list[Difference]](list)
    for one in found:
        by_kind[one.kind].append(one)
    for (what, becomes), some in sorted(by_kind.items(), reverse=True):
        out.print(Text(f"{_counted(len(some), what)} {becomes}", style="bold"))
        _print_differences(out, some)
    out.print(f"{len(past.requests) - len(found)} would stay as they are.")
    if past.gone:
        out.print(f"{past.gone} more were cleared away since and cannot be compared.")


def _print_differences(out: Console, some: Sequence[Difference]) -> None:
    """Each tool with how often, and some of its actions."""
    by_tool = defaultdict[tuple[str, str], list[Difference]](list)
    for one in some:
        by_tool[one.tool, _change(one)].append(one)
    for (tool, change), alike in sorted(by_tool.items(), key=lambda pair: -len(pair[1])):
        out.print(f"  {tool}: {change}, {len(alike)} x", soft_wrap=True)
        for one in alike[:EXAMPLES]:
            summary = cut(line(one.request.ask.first.proposal.action.summary), 80)
            out.print(f"    {one.request.id}  {summary}: {one.reason}", soft_wrap=True)


def _change(one: Difference) -> str:
    if one.before is one.after:
        return f"{one.routes[0] or 'nowhere'} -> {one.routes[1] or 'nowhere'}"
    return f"{one.before} -> {one.after}"


def print_advice(file: Path | None, since: str) -> None:
    """Print what the record suggests, with its numbers; nothing is changed. Raises: BadSetting, StoreDown."""
    span, settings = span_of(since), load_settings(file)
    past, out = asyncio.run(_past(settings, span)), console()
    found = advice(past.requests, past.trail, settings.policy)
    for one in found:
        out.print(Text(f"{one.about}: {one.numbers}.", style="bold"), soft_wrap=True)
        out.print(f"  {one.words}", soft_wrap=True)
    decided = sum(1 for one in past.requests.values() if one.decision)
    out.print(
        f"{_counted(len(found), 'suggestion')} from {_counted(decided, 'decision')} of the last {span_words(span)}. "
        "Nothing was changed."
    )


def span_of(text: str) -> timedelta:
    """What "7d" means. Raises: BadSetting."""
    try:
        span: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise BadSetting('--since is a time like "24h" or "7d", at most 90 days') from None
    return span


async def _past(settings: Settings, span: timedelta) -> Past:
    async with open_store(settings) as store:
        trail = await store.happened(await store.now() - span)
        requests, gone = await requests_of(store, trail)
    return Past(trail=trail, requests=requests, gone=gone)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
