"""Whether those who agreed are enough (pure): as many persons as the rule needs, each in one seat, all seats filled.

Who sits where is looked for anew each time (a maximum matching of a bipartite graph, by augmenting paths), so the order
of the votes does not matter: whoever could sit in two sets makes room where that helps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from .people import PersonId
from .verdict import Rule, Seats, Vote

#: Person -> the sets of whose seats they may take one.
Fills = Mapping[PersonId, Collection[str]]


def enough(rule: Rule, votes: Iterable[Vote]) -> bool:
    """Whether these votes decide."""
    return can_decide(rule, _fills(votes))


def can_decide(rule: Rule, fills: Fills) -> bool:
    """Whether these persons together could decide."""
    return len(fills) >= rule.needed and len(_seated(rule, fills)) == sum(one.needed for one in rule.seats)


def taken(rule: Rule, votes: Iterable[Vote]) -> tuple[tuple[Seats, int], ...]:
    """How many seats of each set are filled, as many in all as can be."""
    chairs = _chairs(rule)
    sitting = [chairs[chair] for chair in _seated(rule, _fills(votes))]
    return tuple((one, sitting.count(one.approvers)) for one in rule.seats)


def stricter(one: Rule, other: Rule) -> Rule:
    """What satisfies both, for the sets of `one`: of each set the larger number of seats, and enough persons for all.

    Where either asks why, it asks.
    """
    wanted = {seats.approvers: seats.needed for seats in one.seats}
    for seats in other.seats:
        wanted[seats.approvers] = max(seats.needed, wanted.get(seats.approvers, 0))
    both = tuple(Seats(approvers=name, needed=needed) for name, needed in wanted.items())
    needed = max(one.needed, other.needed, sum(wanted.values()))
    return replace(one, needed=needed, seats=both, ask_why=one.ask_why or other.ask_why)


def _fills(votes: Iterable[Vote]) -> Fills:
    return {vote.person: vote.fills for vote in votes}


def _chairs(rule: Rule) -> tuple[str, ...]:
    """The set of each single seat."""
    return tuple(one.approvers for one in rule.seats for _ in range(one.needed))


def _seated(rule: Rule, fills: Fills) -> Mapping[int, PersonId]:
    """Chair -> who sits there; as many as can sit at once."""
    chairs, seated = _chairs(rule), dict[int, PersonId]()

    def sits_down(person: PersonId, asked: set[int]) -> bool:
        for chair, approvers in enumerate(chairs):
            if approvers in fills[person] and chair not in asked:
                asked.add(chair)
                if chair not in seated or sits_down(seated[chair], asked):
                    seated[chair] = person
                    return True
        return False

    for person in fills:
        sits_down(person, set())
    return seated
