"""The policy file: what it says, what holds where it says nothing, and which mistakes it refuses by name."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sayso.agent.policy import Category, Policy, UnknownRoute
from sayso.agent.policy_file import load_policy, read_policy
from sayso.agent.setting_words import BadSettings
from sayso.approvals.deadline import CHAINS, TtlClass
from sayso.approvals.errors import BadSetting
from sayso.approvals.request import Edits
from sayso.approvals.risk import Level

ROOT = Path(__file__).resolve().parents[2]

SAID: dict[str, Any] = {
    "default_route": "ops",
    "routes": {
        "ops": {"places": ["slack:C0OPS"], "approvers": ["ops"], "on_call": "sre", "pager": "primary"},
        "finance": {
            "places": ["slack:C0FIN"], "approvers": ["finance"], "needed": 2, "second_line": "seniors",
            "on_call": "sre", "on_call_decides": True,
        },
    },
    "tools": {
        "issue_refund": {
            "category": "financial_transaction",
            "irreversibility": {"level": "high", "reason": "A refund cannot be called back."},
            "blast_radius": "low",
            "compliance": "medium",
            "route": "finance",
            "ttl_class": "sensitive",
            "ttl": "90m",
            "edits": "replan",
        },
    },
}  # fmt: skip


def a_policy(change: dict[str, Any] | None = None) -> Policy:
    """The policy above with some keys, named by their paths, set to other values."""
    said = deepcopy(SAID)
    for path, value in (change or {}).items():
        *way, last = path.split(".")
        table = said
        for step in way:
            table = table.setdefault(step, {})
        table[last] = value
    return read_policy(said)


def test_a_tool_is_as_the_file_says() -> None:
    """Level, reason, route, time and edits of a named tool (S1)."""
    tool = a_policy().of("issue_refund")
    assert tool.category is Category.FINANCIAL_TRANSACTION
    assert (tool.irreversibility.level, tool.irreversibility.reason) == (
        Level.HIGH, "A refund cannot be called back.",
    )  # fmt: skip
    assert tool.blast_radius.level is Level.LOW
    assert "low" in tool.blast_radius.reason
    assert tool.edits is Edits.REPLAN
    assert a_policy().route(a_policy().of("issue_refund").route).rule.needed == 2


def test_an_unknown_tool_is_the_worst_of_everything() -> None:
    """What nobody has rated goes to the default route with every dimension high."""
    tool = a_policy().of("format_disk")
    assert not tool.known
    assert {tool.irreversibility.level, tool.blast_radius.level, tool.compliance.level} == {Level.HIGH}
    assert tool.route == "ops"


def test_chains_are_the_guides_unless_the_file_says_otherwise() -> None:
    """7 days and 24 hours by default (S7); one key changes one thing."""
    assert {kind: a_policy().chain(kind) for kind in TtlClass} == CHAINS
    changed = a_policy({"ttl.urgent": {"ttl": "1h30m", "remind": [0.25, 0.5]}}).chain(TtlClass.URGENT)
    assert (changed.ttl, changed.remind) == (timedelta(minutes=90), (0.25, 0.5))
    assert changed.grace == CHAINS[TtlClass.URGENT].grace


def test_a_tools_own_time_replaces_its_class() -> None:
    """The rest of the chain stays."""
    chain = a_policy().chain(TtlClass.SENSITIVE, "issue_refund")
    assert chain.ttl == timedelta(minutes=90)
    assert chain.grace == timedelta(hours=1)


def test_a_route_may_name_a_fallback_and_places_of_both_platforms() -> None:
    """Where the card stands once none of the route's own places takes it; most routes have none."""
    spare = "teams:19:spare@thread.tacv2"
    policy = a_policy(
        {"routes.ops.places": ["slack:C0OPS", "teams:19:ops@thread.tacv2"], "routes.ops.fallback": spare}
    )
    assert policy.route("ops").fallback == spare
    assert policy.route("ops").places == ("slack:C0OPS", "teams:19:ops@thread.tacv2")
    assert policy.route("finance").fallback == ""


def test_a_chain_that_pages_nobody_has_no_grace() -> None:
    """Switching the page off takes the grace with it."""
    chain = a_policy({"ttl.sensitive.pages": False}).chain(TtlClass.SENSITIVE)
    assert (chain.pages, chain.grace) == (False, timedelta(0))


def test_a_route_that_is_gone_asks_nobody() -> None:
    """The policy was edited while a request waited: nobody can be looked up on a deleted route."""
    with pytest.raises(UnknownRoute, match="'legal'"):
        a_policy().route("legal")


def test_every_approver_set_can_be_checked() -> None:
    """Sets of all circles are listed, the paged one too when it may not decide."""
    assert a_policy().approver_sets == {"ops", "sre", "finance", "seniors"}


def test_the_version_changes_with_the_rules() -> None:
    """The same rules have the same version; any other rule another."""
    assert a_policy().version == a_policy().version
    assert len(a_policy().version) == 12
    assert a_policy({"tools.issue_refund.blast_radius": "medium"}).version != a_policy().version


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("tools.issue_refund.blast_radius", "huge", r"tools\.issue_refund\.blast_radius\.level: .*'high'"),
        (
            "tools.issue_refund.blast_radius",
            3,
            r'tools\.issue_refund\.blast_radius: write "low", "medium" or "high"',
        ),
        (
            "tools.issue_refund.irreversibility",
            {"levl": "high"},
            r"tools\.issue_refund\.irreversibility\.levl: there is no such setting; did you mean level\?$",
        ),
        (
            "tools.issue_refund.category",
            "finacial",
            r"tools\.issue_refund\.category: .*financial_transaction",
        ),
        (
            "tools.issue_refund.irreversable",
            "high",
            r"tools\.issue_refund\.irreversable: there is no such setting; did you mean irreversibility",
        ),
        ("tools.issue_refund.ttl", "soon", r"tools\.issue_refund\.ttl: a time is written like"),
        ("tools.issue_refund.ttl", 60, r"tools\.issue_refund\.ttl: a time is written like"),
        ("tools.issue_refund.ttl", "0h", r"tools\.issue_refund\.ttl: a time is more than zero"),
        ("tools.issue_refund.ttl", "999999d", r"tools\.issue_refund\.ttl: .*90 days"),
        ("tools.issue_refund.route", "legal", r"tools\.issue_refund\.route: there is no \[routes\.legal\]"),
        (
            "tools.issue_refund.route",
            "finnance",
            r"tools\.issue_refund\.route: .*\]; did you mean finance\?$",
        ),
        (
            "tools.issue_refund.flags",
            ["x" * 31],
            r"tools\.issue_refund\.flags: it is longer than 30 characters",
        ),
        ("routes.ops.approvers", [], r"routes\.ops\.approvers: name at least 1$"),
        ("routes.ops.approvers", "ops", r"routes\.ops\.approvers: it must be a list of set names"),
        ("routes.ops.places", [], r"routes\.ops\.places: "),
        (
            "routes.ops.places",
            ["#ops"],
            r'routes\.ops\.places: "#ops" is not a place; write "slack:" and the channel\'s id',
        ),
        ("routes.ops.fallback", "#ops", r'routes\.ops\.fallback: "#ops" is not a place; write "slack:" and'),
        (
            "routes.ops.fallback",
            "slack:C0OPS",
            r"routes\.ops\.fallback: slack:C0OPS is one of its places; name another channel",
        ),
        ("routes.ops.needed", 0, r"routes\.ops\.needed: it must be at least 1$"),
        ("routes.ops.on_call_decides", "perhaps", r"routes\.ops\.on_call_decides: write true or false$"),
        ("routes", {}, r"routes: "),
        ("default_route", "nowhere", r"default_route: there is no \[routes\.nowhere\]"),
        ("ttl.urgent.remind", [1.5], r"ttl\.urgent\.remind: it must be below 1"),
        ("ttl.routine.grace", "1h", r"ttl\.routine\.grace: nobody is paged"),
        ("ttl.routine.pages", True, r"ttl\.routine\.grace: on-call is paged"),
        ("ttl.eternal", {"ttl": "1h"}, r"ttl\.eternal: there is no such setting$"),
        ("low_confidence", 70, r"low_confidence: it must be at most 1"),
        ("tool", {}, r"tool: there is no such section; did you mean tools\?$"),
    ],
)
def test_a_mistake_is_refused_by_name(path: str, value: object, said: str) -> None:
    """A misspelt rule never passes for one; the message begins with the key (fail closed)."""
    with pytest.raises(BadSetting, match=f"^{said}"):
        a_policy({path: value})


def test_all_mistakes_are_told_at_once() -> None:
    """A first sentence that says how many, then a line for each; nobody mends a file by one error a start."""
    with pytest.raises(BadSettings) as caught:
        a_policy({"routes.finance.on_call": "", "tools.issue_refund.route": "finnance"})
    assert str(caught.value).splitlines() == [
        "2 settings are wrong.",
        "  routes.finance.on_call_decides: there is no on_call set that could decide",
        "  tools.issue_refund.route: there is no [routes.finnance]; did you mean finance?",
    ]


def test_whoever_is_promised_a_page_has_somebody_to_page() -> None:
    """P30: A sensitive tool on a route without pager and on-call set is a silent timeout in waiting (S28)."""
    with pytest.raises(BadSetting, match=r"tools\.issue_refund: .*names neither pager nor on_call"):
        a_policy({"routes.finance.on_call": "", "routes.finance.on_call_decides": False})


def test_a_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(BadSetting, match=r"nothing\.toml cannot be read"):
        load_policy(tmp_path / "nothing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("tools = [", encoding="utf-8")
    with pytest.raises(BadSetting, match=r"broken\.toml is not TOML"):
        load_policy(broken)


def test_the_ops_agents_catalog_is_a_policy() -> None:
    """The shipped file loads, and every tool of the ops agent is rated (S1)."""
    policy = load_policy(ROOT / "agent" / "ops" / "catalog.toml")
    assert set(policy.tools) == {
        "look_up_order", "issue_refund", "delete_inactive_customers", "grant_role", "email_customer", "draft_email",
        "close_firewall_rule",
    }  # fmt: skip
    assert policy.of("email_customer").ttl_class is TtlClass.URGENT
    assert policy.of("delete_inactive_customers").edits is Edits.REPLAN
