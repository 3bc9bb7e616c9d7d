"""What happens while nobody answers, as the policy writes it: chains of steps, and hours in which people are reminded."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sayso.agent.policy import Policy
from sayso.agent.policy_file import load_policy, read_policy
from sayso.approvals import machine
from sayso.approvals.change import NoticeKind
from sayso.approvals.deadline import Deadline, StepKind, TtlClass
from sayso.approvals.errors import BadSetting
from scenes import ALEX, BO, CY, DI, NOON, a_request, a_vote, an_action

POLICY = """
default_route = "finance"

[routes.finance]
places = ["slack:C0FIN"]
approvers = ["finance"]
needed = 2
second_line = "seniors"
on_call = "on-call"
on_call_decides = true
pager = "primary"
hours = "berlin"

[tools.issue_refund]
category = "financial_transaction"
irreversibility = "high"
blast_radius = "low"
compliance = "medium"
chain = "payments"

[chains.payments]
steps = [
  { after = "1h", do = "remind", every = "1h", times = 3 },
  { after = "4h", do = "widen", to = "second_line" },
  { after = "5h", do = "widen", to = "directors" },
  { after = "6h", do = "page", every = "30m", times = 2 },
  { after = "8h", do = "cancel" },
]

[hours.berlin]
zone = "Europe/Berlin"
holidays = [2030-01-02]
"""
HOUR = timedelta(hours=1)


def a_policy(*edits: tuple[str, str]) -> Policy:
    text = POLICY
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return read_policy(tomllib.loads(text))


def clock(policy: Policy, opened_at: datetime = NOON) -> Deadline:
    action = an_action()
    return policy.route_for(action).clock(policy.chain_for(action), opened_at)


def hours_after(deadline: Deadline, kind: StepKind, opened_at: datetime = NOON) -> list[float]:
    return [(step.at - opened_at) / HOUR for step in deadline.steps if step.kind is kind]


ALWAYS = ('hours = "berlin"\n', "")


def test_a_chain_is_what_it_says_in_order_of_time() -> None:
    """P18: Each step at its time, repeated ones as often as they say, the last one cancels; all within the deadline."""
    deadline = clock(a_policy(ALWAYS))
    assert hours_after(deadline, StepKind.REMIND) == [1, 2, 3]
    assert hours_after(deadline, StepKind.PAGE) == [6, 6.5]
    assert [step.adds for step in deadline.steps if step.adds] == [
        "seniors",
        "directors",
        "on-call",
        "on-call",
    ]
    assert [step.at for step in deadline.steps] == sorted(step.at for step in deadline.steps)
    assert deadline.steps[-1].kind is StepKind.EXPIRE
    assert (deadline.ends_at - NOON, deadline.expires_at - NOON) == (6 * HOUR, 8 * HOUR)


def test_a_class_may_have_a_chain_and_a_rule_brings_its_class() -> None:
    """Where a rule calls it urgent, the tool's own chain gives way to what urgent means."""
    of_class = a_policy(
        ('chain = "payments"\n', ""),
        ("[hours.berlin]", '[ttl.sensitive]\nchain = "payments"\n\n[hours.berlin]'),
    )
    assert of_class.chain_for(an_action()).name == "payments"
    ruled = a_policy(("[hours.berlin]", '[[rules]]\nname = "big"\nttl_class = "urgent"\n\n[hours.berlin]'))
    assert ruled.chain_for(an_action()) == ruled.chains[TtlClass.URGENT]


def test_a_set_of_the_chain_may_decide_and_no_other() -> None:
    """Authority comes from the policy of today: the chain's sets count beside the route's."""
    assert a_policy().sets_for(an_action()) == {"finance", "seniors", "on-call", "directors"}
    assert "directors" not in a_policy(
        ('  { after = "5h", do = "widen", to = "directors" },\n', "")
    ).sets_for(an_action())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('{ after = "8h", do = "cancel" },', "", r"line 21, chains\.payments: the last step, and only that one"),
        ('"8h", do = "cancel"', '"5h30m", do = "cancel"', r"chains\.payments: step 5 comes before step 4"),
        ('every = "30m", times = 2', 'every = "2h", times = 2', r"chains\.payments: step 4 does not come 30 s before"),
        ('every = "1h", times = 3', 'every = "1h"', r"chains\.payments\.steps\.1: what is done again needs both"),
        ("times = 3", "times = 21", r"chains\.payments\.steps\.1\.times: it must be at most 20"),
        ('do = "widen", to = "directors"', 'do = "widen"', r"chains\.payments\.steps\.3: say whom"),
        ('do = "cancel"', 'do = "approve"', r"chains\.payments\.steps\.5\.do: it must be"),
        ('chain = "payments"', 'chain = "payment"', r"line 19, tools\.issue_refund\.chain: there is no \[chains\.payment\]; did you mean"),
        ('chain = "payments"', 'chain = "payments"\nttl = "2h"', r"line 20, tools\.issue_refund\.ttl: chains\.payments says when it ends"),
        ('second_line = "seniors"\n', "", r"tools\.issue_refund: its chain chains\.payments asks the second_line, but routes\.finance names none"),
        ('on_call = "on-call"\non_call_decides = true\npager = "primary"\n', "", r"tools\.issue_refund: .*names neither pager nor on_call"),
        ("[hours.berlin]", '[ttl.urgent]\nchain = "payments"\nttl = "1h"\n\n[hours.berlin]', r"ttl\.urgent\.ttl: chains\.payments says"),
        ('hours = "berlin"', 'hours = "berln"', r"routes\.finance\.hours: there is no \[hours\.berln\]; did you mean berlin\?"),
        ("Europe/Berlin", "Europe/Berlim", r"hours\.berlin\.zone: there is no time zone"),
        ("holidays", 'opens = "17:00"\ncloses = "9:00"\nholidays', r"hours\.berlin\.closes: a time of day is written like"),
        ("holidays", 'opens = "17:00"\ncloses = "09:00"\nholidays', r"hours\.berlin: it must open before it closes"),
    ],
)  # fmt: skip
def test_a_chain_that_cannot_be_right_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """P30: Each mistake has a line, a key and what to write: nobody finds out at three in the morning."""
    file = tmp_path / "policy.toml"
    assert old in POLICY
    file.write_text(POLICY.replace(old, new, 1))
    with pytest.raises(BadSetting, match=said):
        load_policy(file)


# ---- hours


def at_hour(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_reminders_wait_for_business_hours_and_nothing_else_does() -> None:
    """P26: Asked on New Year's Day at noon UTC, an ordinary Tuesday in Berlin, with a holiday after it."""
    deadline = clock(a_policy())
    assert hours_after(deadline, StepKind.REMIND) == [1, 2, 3]  # until 16:00 in Berlin
    evening = at_hour(2030, 1, 1, 16)
    late = clock(a_policy(), evening)
    assert hours_after(late, StepKind.PAGE, evening) == [6, 6.5]
    assert late.expires_at == evening + 8 * HOUR
    assert hours_after(late, StepKind.REMIND, evening) == []  # two nights and a holiday away: after the end


def test_reminders_of_one_night_are_one_reminder_in_the_morning() -> None:
    """P26: A long chain: what would have fallen into the night comes once, at nine in Berlin after the holiday."""
    long = (
        '{ after = "8h", do = "cancel" }', '{ after = "9d", do = "cancel" }')  # fmt: skip
    evening = at_hour(2030, 1, 1, 16)
    deadline = clock(a_policy(long), evening)
    assert [step.at for step in deadline.steps if step.kind is StepKind.REMIND] == [at_hour(2030, 1, 3, 8)]
    assert [step.at for step in deadline.steps] == sorted(step.at for step in deadline.steps)


@pytest.mark.parametrize(
    ("asked", "reminded"),
    [
        (at_hour(2030, 3, 29, 17), at_hour(2030, 4, 1, 7)),  # Friday evening; summer time begins on Sunday
        (at_hour(2030, 10, 25, 17), at_hour(2030, 10, 28, 8)),  # it ends
        (at_hour(2030, 3, 29, 6), at_hour(2030, 3, 29, 8)),  # before nine on the day itself
    ],
)
def test_nine_stays_nine_when_the_clock_is_changed(asked: datetime, reminded: datetime) -> None:
    """The first reminder after the weekend comes at nine on the wall in Berlin, in summer and in winter."""
    hours = a_policy().routes["finance"].hours
    assert hours is not None
    assert hours.next_open(asked + HOUR) == reminded


# ---- who is reminded


def test_only_those_who_have_not_voted_are_reminded() -> None:
    """P18: Bo has approved and two are needed: Cy and Di are named, not the whole group; Alex asked and is not."""
    request = a_request()
    voted = machine.vote(request, a_vote(request, BO), frozenset({BO, CY, DI}), 2, NOON + HOUR).request
    circles = {"finance": frozenset({ALEX, BO, CY, DI})}
    change = machine.fire(voted, NOON + 12 * HOUR, circles)
    assert change is not None
    (notice,) = change.notices
    assert (notice.kind, notice.people, notice.mention) == (NoticeKind.REMINDER, (CY, DI), ())
    unknown = machine.fire(voted, NOON + 12 * HOUR)  # they could not be looked up: everybody hears
    assert unknown is not None
    assert (unknown.notices[0].people, unknown.notices[0].mention) == ((), ("finance",))
