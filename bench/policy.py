"""How long the policy takes to weigh one action: no rules, and 500 rules with a condition each that all have to be asked."""

from __future__ import annotations

import statistics
import sys
import time

from sayso.agent.policy import Policy
from sayso.agent.policy_file import read_policy
from sayso.agent.risk import assess
from sayso.approvals.action import Action, Entity
from sayso.bench.figures import machine

#: What is promised of the median with 500 rules, seconds.
PROMISED = 0.001
TIMES = 500

ACTION = Action(
    tool="issue_refund", arguments={"order": 1042, "amount": "129.90", "currency": "USD", "ids": list(range(20))},
    goal="g", summary="s", reasoning="r", confidence=0.9, targets=(Entity("customer", "c-7", facts={"lifetime": "4310"}),),
)  # fmt: skip


def a_policy(rules: int) -> Policy:
    """One tool and so many rules, none of which holds."""
    rated = dict.fromkeys(("irreversibility", "blast_radius", "compliance"), "low")
    conditions = (
        "order == {n} && size(ids) > 100",
        "currency == 'X{n}'",
        "size(ids) > 20{n}",
        "order > 9{n}000",
    )
    return read_policy(
        {
            "default_route": "ops",
            "routes": {"ops": {"places": ["slack:C0OPS"], "approvers": ["ops"], "on_call": "sre"}},
            "tools": {"issue_refund": {"category": "read", **rated}},
            "rules": [
                {"name": f"rule {n}", "if": conditions[n % len(conditions)].format(n=n), "flag": "F"} for n in range(rules)
            ],
        }
    )  # fmt: skip


def weighed(policy: Policy) -> list[float]:
    """Seconds, each for the whole assessment."""
    assess(ACTION, policy)
    took = list[float]()
    for _ in range(TIMES):
        begun = time.perf_counter()
        assess(ACTION, policy)
        took.append(time.perf_counter() - begun)
    return sorted(took)


def main() -> None:
    sys.stdout.write(f"{machine()}\n")
    for rules in (0, 500):
        took = weighed(a_policy(rules))
        median, p95 = statistics.median(took), took[int(len(took) * 0.95)]
        sys.stdout.write(
            f"  {rules:>3} rules   p50 {median * 1000:6.3f} ms   p95 {p95 * 1000:6.3f} ms   (n {TIMES})\n"
        )
    if median > PROMISED:
        sys.exit(f"p50 is above {PROMISED * 1000:g} ms")


if __name__ == "__main__":
    main()
