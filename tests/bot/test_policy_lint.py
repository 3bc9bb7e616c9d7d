"""`sayso policy lint`: what cannot be meant is found before an agent finds it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from sayso.agent.policy_file import read_policy
from sayso.agent.policy_lint import Sight, lint
from sayso.agent.seen_tools import SeenTool
from sayso.bot.cli.commands import app
from settings_files import write_settings
from typer.testing import CliRunner, Result

BASE = """
default_route = "finance"
[routes.finance]
places = ["slack:C0FINANCE"]
approvers = ["finance"]
on_call = "finance"
"""
RATED = 'irreversibility = "{}"\nblast_radius = "low"\ncompliance = "low"\n'
REFUND = f'[tools.refund]\ncategory = "internal_change"\n{RATED.format("low")}'
PAY = f'[tools.pay]\ncategory = "financial_transaction"\n{RATED.format("low")}'
LOOK_UP = f'[tools.look_up]\ncategory = "read"\n{RATED.format("low")}'
MONEY = {
    "type": "object",
    "properties": {"amount": {"type": "string"}, "to": {"type": "array", "items": {"type": "string"}}},
}
QUERY = {"type": "object", "properties": {"query": {"type": "string"}}}
SEEN = {
    "refund": SeenTool(name="refund", schema=MONEY, asks=True), "pay": SeenTool(name="pay", schema=MONEY, asks=True),
    "look_up": SeenTool(name="look_up", schema=QUERY, asks=True),
}  # fmt: skip


def found(*tables: str, whole: bool = True, more: dict[str, Any] | None = None) -> list[str]:
    """Each finding, WRONG ones with a mark."""
    said = tomllib.loads("\n".join((BASE, *tables)))
    seen = {name: one for name, one in SEEN.items() if name in said["tools"]} | (more or {})
    policy = read_policy(said)
    return [
        f"{'!' if one.wrong else ''}{one.key}: {one.words}" for one in lint(policy, Sight(seen, whole=whole))
    ]


def rule(text: str) -> str:
    return f'[[rules]]\nname = "it"\nflag = "It"\n{text}'


def cased(*cases: str) -> str:
    """A refund whose irreversibility is rated so."""
    return REFUND.replace('irreversibility = "low"', f"irreversibility = [{', '.join(cases)}]")


def test_what_can_be_meant_is_left_alone() -> None:
    """Cases, rules for some tools, lists, our own names."""
    assert found(
        cased('{ if = "amount > 500", level = "high" }', '"low"'), LOOK_UP, PAY,
        rule('if = "amount > 500 && confidence < 0.8"\ntools = ["refund"]'),
        rule('if = "has(args.amount) && args.amount > 500"'), rule("if = \"to.exists(one, one.endsWith('@x.example'))\"\ntools = [\"pay\"]"),
        rule('categories = ["financial_transaction"]'), rule('if = "size(targets) > 3 || evidence == 0"'),
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('if = "amuont > 500"\ntools = ["refund"]',
         "!rules.1.if: it asks about amuont, but tools.refund has no argument of this name; did you mean amount?"),
        ('if = "args.amuont > 500"', "!rules.1.if: it asks about amuont, but no tool that it is about has an argument of this name"),
        ('if = "amount > 500"', "rules.1.if: it can never be answered for look_up (there is no amount), so every call"),
        ('if = "1 < 2"', "rules.1.if: it is always true: leave it out"),
        ('if = "2 < 1"', "!rules.1.if: it is never true: the rule never applies"),
        ("if = \"tool == 'wipe'\"", "!rules.1.if: it is true of no tool here"),
        ('categories = ["deletion"]', "!rules.1: it never applies: no tool is deletion"),
        ('tools = ["look_up"]\ncategories = ["internal_change"]', "!rules.1: it never applies: none of look_up is internal_change"),
    ],
)  # fmt: skip
def test_a_rule_that_never_applies_or_always_cannot_be_meant(text: str, words: str) -> None:
    """With where it stands, and which tool."""
    (line,) = found(REFUND, LOOK_UP, rule(text))
    assert line.startswith(words)


def test_a_rule_without_an_answer_harms_nothing_that_is_asked_about_anyway() -> None:
    """A mail has no amount, and is always put to people."""
    mail = LOOK_UP.replace("look_up", "mail").replace('"read"', '"external_communication"')
    more = {"mail": SeenTool(name="mail", schema=QUERY, asks=True)}
    assert found(REFUND, mail, rule('if = "amount > 500"'), more=more) == []


def test_what_is_not_seen_is_not_concluded_from() -> None:
    """A tool of a graph that did not load may have that argument, or that category."""
    others = REFUND.replace("refund", "other")
    assert found(REFUND, others, rule('if = "customer > 3"'), whole=False) == []
    assert found(REFUND, rule('categories = ["deletion"]'), whole=False)[0].startswith(
        "rules.1: it never applies"
    )


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        (('{ if = "amuont > 5", level = "high" }', '"low"'),
         "!tools.refund.irreversibility: case 1 (amuont > 5) asks about amuont, but tools.refund has no argument"),
        (('{ if = "amount", level = "high" }', '"low"'), "!tools.refund.irreversibility: case 1 (amount) can never be answered"),
        (('{ if = "true", level = "high" }', '"low"'), "!tools.refund.irreversibility: case 1 (true) is always true"),
        (('{ if = "amount > 5", level = "low" }', '"low"'), "tools.refund.irreversibility: case 1 (amount > 5) changes no level"),
    ],
)  # fmt: skip
def test_a_case_that_says_nothing_is_found(cases: tuple[str, ...], words: str) -> None:
    """Whether it holds always, never, or cannot be told."""
    (line,) = found(cased(*cases))
    assert line.startswith(words)


def test_a_case_after_one_that_always_holds_is_never_asked() -> None:
    """Nor the same one again."""
    always = found(
        cased('{ if = "1 == 1", level = "high" }', '{ if = "amount > 5", level = "medium" }', '"low"')
    )
    assert always[1].startswith("!tools.refund.irreversibility: case 2 (amount > 5) is never asked")
    once = '{ if = "amount > 5", level = "medium" }'
    assert found(cased(once, once, '"low"'))[0].startswith(
        "!tools.refund.irreversibility: case 2 (amount > 5) is never"
    )


@pytest.mark.parametrize("more", ['oversight = "gate"', 'irreversibility = "low"'])
def test_a_rule_that_makes_nothing_stricter_is_found(more: str) -> None:
    """Money is always put to people; nothing is below low."""
    silent = f'[[rules]]\nname = "it"\ntools = ["pay"]\n{more}'
    assert found(PAY, silent) == [
        "rules.1: it changes nothing: what it is about is at least so strict without it"
    ]
    if "gate" in more:
        assert found(REFUND, silent.replace("pay", "refund")) == []


@pytest.mark.parametrize(
    ("table", "hints", "words"),
    [
        (REFUND, "readOnlyHint = true", "tools.refund.mcp: its server says that it only reads, and its category is internal_change"),
        (LOOK_UP, "readOnlyHint = false", "!tools.look_up.mcp: its server says that it changes something"),
        (LOOK_UP, "destructiveHint = true", "!tools.look_up.mcp: its server says that it changes something"),
    ],
)  # fmt: skip
def test_hints_against_the_category_are_found(table: str, hints: str, words: str) -> None:
    """One of the two is wrong."""
    assert found(table, f"mcp = {{ {hints} }}")[0].startswith(words)


def test_what_a_server_says_and_the_policy_does_not_is_found() -> None:
    """The server was updated."""
    told = {"refund": SeenTool(name="refund", schema=MONEY, hints={"destructiveHint": True}, asks=True)}
    assert found(REFUND, more=told) == [
        "tools.refund: its server says destructiveHint = true, and its mcp table does not"
    ]


def test_tools_that_one_side_does_not_know_are_found() -> None:
    """And whether anything asks before they run."""
    more = {"refnud": SeenTool(name="refnud", asks=True), "wipe": SeenTool(name="wipe", asks=False)}
    lines = found(LOOK_UP, REFUND.replace("refund", "refundd"), more=more)
    assert lines[0] == "tools.refundd: no graph here has this tool"
    assert "always asked about; did you mean refundd?" in lines[1]
    assert "nothing asks before it runs" in lines[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[ttl.urgent]\nsecond_line = 0.9\nsupervisor = 0.8", "ttl.urgent.supervisor: the supervisor is told no later than"),
        ('[ttl.urgent]\nttl = "1m"', "ttl.urgent.remind: approvers are reminded 30 s after they were asked"),
    ],
)  # fmt: skip
def test_clocks_that_cannot_be_meant_are_found(text: str, words: str) -> None:
    """P30: Reminders as soon as the card stands, circles in the wrong order."""
    assert found(REFUND, text)[0].startswith(words)


# ---- the command

GATED = """
from langgraph.graph import START, StateGraph
from sayso import Gate, GateState, effect

@effect(category="financial_transaction", irreversibility="high", blast_radius="low", compliance="medium")
def issue_refund(order: int, amount: str) -> str:
    "Pay money back."
    return "Paid."

graph = StateGraph(GateState)
graph.add_node("plan", lambda state: {})
graph.add_node("report", lambda state: {})
graph.add_edge(START, "plan")
graph.add_edge("plan", "gate")
Gate(issue_refund).add_to(graph)
"""


def linted(folder: Path, *edits: tuple[str, str], graph: str = GATED) -> Result:
    file = write_settings(folder, *edits)
    (folder / "little_graph.py").write_text(graph)
    return CliRunner().invoke(app, ["policy", "lint", "-s", str(file)], env={"COLUMNS": "300"})


def test_a_policy_without_findings_passes(tmp_path: Path) -> None:
    """For CI: exit 0."""
    ran = linted(tmp_path)
    assert ran.exit_code == 0, ran.output
    assert "1 tool, 0 rules, 1 route: nothing found" in ran.output


def test_what_is_wrong_is_told_with_its_line_and_fails(tmp_path: Path) -> None:
    """The argument as the graph has it."""
    ran = linted(
        tmp_path, ("[server]\n", '[[rules]]\nname = "big"\nif = "amonut > 5"\nflag = "Big"\n\n[server]\n')
    )
    assert ran.exit_code == 1
    assert (
        "WRONG  line 45, rules.1.if: it asks about amonut, but tools.issue_refund has no argument of this name; did you mean amount?"
        in ran.output
    )
    assert "1 wrong, 0 to look at" in ran.output


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('approvers = ["finance"]', 'approvers = ["finance"]\nneeded = 2', 0, "what one of bo, cy asks for can never be approved"),
        ('finance = ["bo", "cy"]', 'finance = { slack_group = "S0FIN" }\n', 0, "nothing found"),
        ('approvers = ["finance"]', 'approvers = ["finance"]\nneeded = 5', 1, "at most 4 of [people] can be in its sets"),
        ('operators = ["sue"]', 'denied = ["sue"]', 1, "routes.finance.second_line: nobody in sets.seniors may decide anything"),
    ],
)  # fmt: skip
def test_approvers_who_can_never_agree_are_found(
    tmp_path: Path, old: str, new: str, code: int, words: str
) -> None:
    """P30: Groups are counted by who could be in them, without asking anybody."""
    group = (
        (('finance = ["bo", "cy"]', 'finance = { slack_group = "S0FIN" }'),) if "needed = 5" in new else ()
    )
    ran = linted(tmp_path, (old, new), *group)
    assert words in ran.output
    assert ran.exit_code == code


def test_approvers_who_see_no_card_are_found(tmp_path: Path) -> None:
    """P30: In the words of `sayso check`."""
    bo = f'bo = {{ name = "Bo Berg", teams = "{"0" * 8}-0000-4000-8000-{"0" * 12}" }}'
    ran = linted(tmp_path, ('bo = { name = "Bo Berg", slack = "U0BO" }', bo))
    assert "routes.finance: bo has no account in Slack, where its cards stand" in ran.output


def test_a_graph_that_does_not_load_is_wrong(tmp_path: Path) -> None:
    """What depends on it is not concluded."""
    ran = linted(tmp_path, graph="import no_such_library")
    assert ran.exit_code == 1
    assert "graphs.ops: little_graph.py:graph" in ran.output
    assert "no graph here" not in ran.output


def test_a_rule_that_only_logs_is_for_what_can_be_watched() -> None:
    """It changes something for a tool that may run, and nothing for one that is always asked about."""
    only_logs = '[[rules]]\nname = "it"\nlog_only = true\ntools = ["{}"]'
    assert found(REFUND, only_logs.format("refund")) == []
    assert len(found(PAY, only_logs.format("pay"))) == 1
