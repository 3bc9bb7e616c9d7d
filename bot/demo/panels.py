"""What the demo shows on the page beside the chats: the back office, the clock, the processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...approvals.deadline import Step, StepKind
from ...approvals.errors import SaysoError
from ...approvals.request import Request, State
from ...sandbox.slack.forms import CannotDoThat
from ...sandbox.watching import NotInTime
from ..cli.terminal import span_words
from .hands import Hands
from .process import Served
from .record import Record
from .stage import Stage

Json = dict[str, Any]
#: The most that one press may push the clock.
LONGEST_PUSH = timedelta(days=7)


async def apart(work: Callable[[], str]) -> str:
    """Do something that blocks, off the page's loop. Raises: CannotDoThat, with what went wrong."""
    try:
        return await asyncio.to_thread(work)
    except (SaysoError, NotInTime) as failure:
        raise CannotDoThat(str(failure)) from failure


# ---- the back office

#: Table -> what is read; the first column is the row's key and is not shown. Instants stay ISO 8601 in UTC.
TABLES: Mapping[str, str] = {
    "orders": """
        SELECT o.number, o.number AS "order", coalesce(c.name, '-') AS customer, items,
               printf('%.2f %s', paid_cents / 100.0, currency) AS paid,
               printf('%.2f', coalesce((SELECT sum(amount_cents) FROM refunds WHERE order_number = o.number), 0) / 100.0)
               AS refunded
        FROM orders o LEFT JOIN customers c ON c.id = o.customer ORDER BY o.number""",
    "refunds": """
        SELECT rowid, order_number AS "order", printf('%.2f %s', amount_cents / 100.0, currency) AS amount,
               at FROM refunds ORDER BY rowid""",
    "customers": "SELECT id, id AS number, name, email, tier, last_active FROM customers ORDER BY id",
    "grants": """
        SELECT g.user || ' ' || role || ' ' || system, u.name || ' (' || u.id || ')' AS user, role, system,
               substr(since, 1, 10) AS since FROM grants g JOIN users u ON u.id = g.user ORDER BY 1""",
    "firewall_rules": """
        SELECT name, name AS rule, port, source, coalesce('closed ' || closed_at, 'open') AS state
        FROM firewall_rules ORDER BY name""",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows of the back office by key, as text."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]


class BackOffice:
    """The agent's tables; rows are marked that differ from when the demo opened.

    Raises: sqlite3.OperationalError, when the worker has not made them yet.
    """

    name = "back_office"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._first = self._read()

    async def state(self, viewer: str, selected: str) -> Json:
        try:
            now = await asyncio.to_thread(self._read)
        except (
            sqlite3.OperationalError
        ):  # the tool of a worker that was just killed left a lock behind, for a moment
            return {"problem": "The back office is busy; look again in a moment."}
        return {"tables": [_table(name, self._first[name], now[name]) for name in TABLES]}

    async def act(self, what: str, told: Json) -> str:
        raise LookupError("Nobody writes into the back office but the agent's tools.")

    def _read(self) -> dict[str, Table]:
        return {name: Table(*found) for name, found in self._stage.tables(TABLES).items()}


def _table(name: str, before: Table, now: Table) -> Json:
    keys = dict.fromkeys((*before.rows, *now.rows))
    return {"name": name, "columns": list(now.columns), "rows": [_row(key, before, now) for key in keys]}


def _row(key: str, before: Table, now: Table) -> Json:
    if key not in now.rows:
        return {"key": key, "cells": list(before.rows[key]), "removed": True}
    changed = before.rows.get(key) != now.rows[key]
    return {"key": key, "cells": list(now.rows[key]), "changed": changed}


# ---- the clock


@dataclass(frozen=True, slots=True)
class Due:
    """What happens by itself next."""

    at: datetime
    words: str


def next_due(requests: Sequence[Request], chosen: Request | None) -> Due | None:
    """Of the request with the chosen one's id; where nothing is due there, the first of all.

    What can still be undone asks nobody anything: it is only what comes next where nothing else does.
    """
    coming = [(one.due_at, one) for one in requests if one.due_at]
    coming = [(at, one) for at, one in coming if not one.ask.undoes] or coming
    if not coming:
        return None
    followed = [(at, one) for at, one in coming if chosen and one.id == chosen.id]
    at, request = followed[0] if followed else min(coming, key=lambda one: one[0])
    if request.state is State.OPEN and request.ask.undoes:
        return Due(at, "it can no longer be undone")
    if request.state is State.OPEN and request.next_step:
        return Due(at, _step_words(request.next_step))
    return Due(at, "it is said aloud that no worker has gone on")


def _step_words(step: Step) -> str:
    match step.kind:
        case StepKind.REMIND:
            return "the approvers are reminded"
        case StepKind.WIDEN:
            return f"{step.adds} may decide, too"
        case StepKind.PAGE:
            return "on-call is paged"
        case StepKind.EXPIRE:
            return "it is cancelled, nothing is done"


class Clock:
    """Every clock of the demo at once."""

    name = "clock"

    def __init__(self, stage: Stage, record: Record, hands: Hands) -> None:
        self._stage = stage
        self._record = record
        self._hands = hands

    async def state(self, viewer: str, selected: str) -> Json:
        self._record.check()
        minutes = timedelta(minutes=round(self._record.ahead / timedelta(minutes=1)))
        due = next_due(self._record.newest_first(), self._record.chosen(selected))
        return {
            "pushed": f"+{span_words(minutes)}" if minutes else "",
            "next": {"at": due.at.isoformat(), "words": due.words} if due else None,
        }  # fmt: skip

    async def act(self, what: str, told: Json) -> str:
        """`push` by `minutes`, or `to_next` due moment (of the `request` that the tab follows)."""
        match what:
            case "push":
                span = _span(told.get("minutes"))
                return await apart(lambda: _sentences(self._hands.pass_time(self._stage, span)))
            case "to_next":
                chosen = self._record.chosen(str(told.get("request") or ""))

                def next_at(live: Sequence[Request]) -> datetime | None:
                    due = next_due(live, chosen)
                    return due.at if due else None

                return await apart(lambda: _sentences(self._hands.pass_to_next(self._stage, next_at)))
            case _:
                raise LookupError("The clock can only be pushed.")


def _sentences(happened: Sequence[str]) -> str:
    return " ".join(f"{one}." for one in happened) or "Time has passed; nothing was due."


def _span(minutes: object) -> timedelta:
    if (
        isinstance(minutes, bool)
        or not isinstance(minutes, int)
        or not 0 < minutes <= LONGEST_PUSH.total_seconds() / 60
    ):
        raise CannotDoThat("The clock can be pushed by whole minutes, at most a week at once.")
    return timedelta(minutes=minutes)


# ---- bot and worker


class Processes:
    """Bot and worker, each of which may be killed and started again."""

    name = "processes"

    def __init__(self, stage: Stage, hands: Hands) -> None:
        self._stage = stage
        self._hands = hands
        self._served = {one.name: one for one in (stage.office.bot, stage.office.worker)}

    async def state(self, viewer: str, selected: str) -> Json:
        return {name: {"pid": one.pid, "up": one.up} for name, one in self._served.items()}

    async def act(self, what: str, told: Json) -> str:
        """`kill` a process (SIGKILL) and start it again; `which` is "bot", "worker" or "both"."""
        which = self._which(told.get("which"))
        if what != "kill" or not which:
            raise LookupError("There is no such process.")
        return await apart(lambda: self._hands.restart(self._stage, which))

    def _which(self, name: object) -> Sequence[Served]:
        if name == "both":
            return tuple(self._served.values())
        return [one for one in self._served.values() if one.name == name]
