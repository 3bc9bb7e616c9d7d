"""Once a day in each route's places: what ran without anybody being asked, by agent and tool, and what still waits.

Any number of schedulers may look, again and again: the line of a day and a place is stored once. One that was down at
the hour makes up for it on the same day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ..approvals.change import AuditRecord, Event, Notice, NoticeKind
from ..approvals.people import Place
from ..approvals.request import Request, State
from ..approvals.route import Route
from ..approvals.store import Store
from ..approvals.verdict import ThreadId

#: So many tools are named; the others are only counted.
MOST_TOOLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """When a day's lines are told.

    Attributes:
        hour: From this hour of the zone's day on, 0 to 23.
        zone: IANA name.
    """

    hour: int
    zone: str


class DailyLines:
    """Says what ran freely yesterday, and what still waits."""

    def __init__(
        self, store: Store, routes: Mapping[str, Route], *, default_route: str, usual: Hour, others: Mapping[str, Hour] = {}
    ) -> None:  # fmt: skip
        """Take the `default_route` for what ran on a route that is gone, and the `others` by route, for which not the usual
        hour holds.
        """
        self._store = store
        self._routes = routes
        self._default = default_route
        self._usual = usual
        self._others = others
        self._told = dict[Hour, date]()

    async def look(self) -> None:
        """Tell about yesterday wherever its hour has come. Raises: StoreDown."""
        now = await self._store.now()
        for hour in dict.fromkeys((self._usual, *self._others.values())):
            local = now.astimezone(ZoneInfo(hour.zone))
            if local.hour < hour.hour or self._told.get(hour) == local.date():
                continue
            await self._tell(hour, local)
            self._told[hour] = local.date()

    async def _tell(self, hour: Hour, local: datetime) -> None:
        """What concerns the routes of this hour, once in each place."""
        day, zone = local.date() - timedelta(days=1), ZoneInfo(hour.zone)
        begins, ends = (datetime.combine(one, time(), zone) for one in (day, local.date()))
        routes = {name for name in self._routes if self._others.get(name, self._usual) == hour}
        ran = [one for one in await self._store.happened(begins) if one.at < ends]
        said = defaultdict[Place, list[str]](list)
        for place, words in (
            *self._ran(ran, day, routes),
            *self._waiting(await self._store.live(), zone, routes),
        ):
            said[place].append(words)
        own = "" if hour == self._usual else f"-{hour.hour}-{hour.zone}"
        for place, lines in sorted(said.items()):
            notice = Notice(
                key=f"daily-{day}{own}", kind=NoticeKind.DAILY, place=place, thread=ThreadId(f"daily:{place}"),
                text="\n".join(lines),
            )  # fmt: skip
            await self._store.say(notice)

    def _ran(
        self, ran: Sequence[AuditRecord], day: date, routes: Collection[str]
    ) -> Iterator[tuple[Place, str]]:
        counted = defaultdict[Place, dict[str, Counter[str]]](lambda: defaultdict(Counter[str]))
        for facts in (one.entry.facts for one in ran if one.entry.event is Event.RAN_FREELY):
            name = facts.get("route", "")
            name = name if name in self._routes else self._default
            for place in self._routes[name].places if name in routes else ():
                counted[place][facts.get("graph", "an agent")][facts.get("tool", "a tool")] += 1
        for place, by_graph in counted.items():
            for graph, tools in sorted(by_graph.items()):
                yield place, _line(graph, tools, day)

    def _waiting(
        self, live: Sequence[Request], zone: tzinfo, routes: Collection[str]
    ) -> Iterator[tuple[Place, str]]:
        """What still waits for an answer, by route; what can only be undone asks nobody."""
        asked = defaultdict[str, list[Request]](list)
        for one in live:
            if one.state is State.OPEN and not one.ask.undoes:
                asked[one.ask.route if one.ask.route in self._routes else self._default].append(one)
        for name, waiting in sorted(asked.items()):
            for place in self._routes[name].places if name in routes else ():
                yield place, _still(name, waiting, zone)


def _still(route: str, waiting: Sequence[Request], zone: tzinfo) -> str:
    """Like: 3 requests still wait on finance; the oldest was asked Mon 31 Dec 16:20, the next one ends Tue 1 Jan 16:20."""
    oldest = min(one.ask.opened_at for one in waiting)
    soonest = min(one.ask.deadline.expires_at for one in waiting)
    if len(waiting) == 1:
        return f"1 request still waits on {route}: asked {_at(oldest, zone)}, cancelled {_at(soonest, zone)}."
    return (
        f"{len(waiting)} requests still wait on {route}; the oldest was asked {_at(oldest, zone)}, "
        f"the next one is cancelled {_at(soonest, zone)}."
    )


def _at(instant: datetime, zone: tzinfo) -> str:
    local = instant.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _line(graph: str, tools: Counter[str], day: date) -> str:
    """Like: Yesterday (22 Nov) 214 free actions by ops: 190 look_up, 24 label."""
    total = tools.total()
    named = [f"{count} {tool}" for tool, count in sorted(tools.items(), key=lambda one: (-one[1], one[0]))]
    others = len(named) - MOST_TOOLS
    more = [f"and {others} more {'tool' if others == 1 else 'tools'}"] if others > 0 else []
    many = "free action" if total == 1 else "free actions"
    return f"Yesterday ({day.day} {day:%b}) {total} {many} by {graph}: {', '.join([*named[:MOST_TOOLS], *more])}."
