"""A policy may ask whoever approves for their reason: the forms ask, the record keeps it, and nothing runs without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from desk_scene import Scene
from office import ROUTE, Office, office, the_policy
from sayso.agent.policy import Policy, PolicyRule
from sayso.agent.policy_file import read_policy
from sayso.approvals.change import Event
from sayso.approvals.errors import BadVote, NoWhy
from sayso.approvals.request import Edits, State
from sayso.approvals.route import Route
from sayso.approvals.signing import Signer, Verifier, warrant
from sayso.approvals.verdict import Approve, Modify, Reject, Rule, Verdict
from sayso.cards import plaintext
from sayso.cards.card import card_of
from sayso.sandbox.slack import View
from scenes import BO, FINANCE, NOON, a_request, a_vote, an_action
from teams_office import ROUTE as TEAMS_ROUTE
from teams_office import teams_office

WHY = "Dana sent a photo of the broken parcel"
ASKED = PolicyRule(name="money", reason="Money is explained.", ask_why=True)


def asking(route: Route = FINANCE) -> Route:
    """The same route, where whoever approves has to say why."""
    return replace(route, rule=Rule(approvers=("finance",), ask_why=True))


# ---- at the desk


@pytest.mark.parametrize("silent", [Approve(), Approve("  "), Modify({"amount": "100.00"})])
async def test_an_approval_without_its_why_counts_nothing(silent: Approve | Modify) -> None:
    """It is refused and on record; with words it counts, and so does a rejection."""
    scene = Scene()
    request = await scene.asks(route=asking())
    with pytest.raises(NoWhy, match="has to say why"):
        await scene.approve(request, "bo", verdict=silent)
    assert (await scene.events(request))[-1] is Event.REFUSED_ANSWER
    assert (await scene.store.get(request.id)).votes == ()
    said: Verdict = replace(silent, why=WHY)
    after = await scene.approve(request, "bo", token="again", verdict=said)
    assert after.state is State.DECIDED
    (voted,) = [
        one.entry for one in await scene.store.trail(request.ask.run.thread) if one.entry.event is Event.VOTED
    ]
    assert voted.facts["why"] == WHY


async def test_what_approves_nothing_needs_no_more_words() -> None:
    """Sent back with an instruction, or with values for the agent to plan from: its new card asks."""
    for answer, edits in ((Modify({}, "ask Dana"), Edits.APPLY), (Modify({"amount": "1.00"}), Edits.REPLAN)):
        scene = Scene()
        request = await scene.asks(route=asking(), edits=edits)
        assert (await scene.approve(request, "bo", verdict=answer)).state is State.DECIDED


async def test_the_second_reads_why_the_first_agreed() -> None:
    """Each says their own; who comes next sees it on the card, and a later policy asks as well."""
    scene = Scene()
    two = replace(FINANCE, rule=Rule(approvers=("finance",), needed=2))
    request = await scene.asks(route=two)
    scene.desk = scene.a_desk({"routes": {"finance": two}, "rules": (ASKED,)})
    with pytest.raises(NoWhy):
        await scene.approve(request, "bo")
    after = await scene.approve(request, "bo", token="again", verdict=Approve(WHY))
    drawn = " ".join(plaintext.text(card_of(after, name=scene.desk.name)).split())
    assert f"votes: @Bo (“{WHY}”) approved" in drawn


async def test_an_edit_into_what_has_to_be_explained_is_asked_again() -> None:
    """Nobody gets round it by approving something small as something large."""
    scene = Scene()
    large = replace(ASKED, when='args.amount == "9000.00"')
    scene.desk = scene.a_desk({"rules": (large,)})
    request = await scene.asks()
    after = await scene.approve(request, "bo", verdict=Modify({"amount": "9000.00"}))
    assert (after.state, after.votes) == (State.OPEN, ())
    with pytest.raises(NoWhy):
        await scene.approve(after, "bo", token="again")


async def test_a_token_in_the_why_is_withheld() -> None:
    """It is signed, kept and shown: no secret stands in it."""
    scene = Scene()
    request = await scene.asks(route=asking())
    token = "ghp_" + "a1B2c3D4e5" * 4
    after = await scene.approve(request, "bo", verdict=Approve(f"see {token}"))
    assert after.decision is not None
    assert isinstance(after.decision.verdict, Approve)
    assert token not in after.decision.verdict.why


# ---- at the worker


def test_a_signed_approval_that_says_nothing_never_acts() -> None:
    """Whatever wrote it into the record: the rule is signed with the vote."""
    signer, request = Signer(bytes(range(32))), a_request(route=asking())
    for verdict, acts in ((Approve(WHY), True), (Approve(), False)):
        vote = a_vote(request, BO, verdict, signer=signer, changed={"rule": request.ask.rule})
        record = replace(request, votes=(vote,))
        verifier, thread = Verifier([signer.public_key]), request.ask.run.thread
        if acts:
            warrant(record, verifier, thread=thread, frozen=request.ask.first.frozen, now=NOON)
            continue
        with pytest.raises(BadVote, match="had to say why"):
            warrant(record, verifier, thread=thread, frozen=request.ask.first.frozen, now=NOON)


# ---- the policy


def test_a_rule_asks_for_some_actions_only() -> None:
    """By tool, by kind of consequence, by a condition; one that cannot be answered asks."""

    def asks(rule: dict[str, object], **arguments: object) -> bool:
        policy = _policy({"name": "explained", "ask_why": True, **rule})
        return policy.route_for(an_action(tool="pay", arguments=arguments)).rule.ask_why

    assert asks({}, amount=1)
    assert asks({"tools": ["pay"], "if": "amount > 500"}, amount=501)
    assert not asks({"tools": ["pay"], "if": "amount > 500"}, amount=500)
    assert asks({"if": "amount > 500"})
    assert not asks({"tools": ["other"]}, amount=501)
    assert asks({"categories": ["financial_transaction"]}, amount=1)
    assert not asks({"categories": ["deletion"]}, amount=1)


def test_a_rule_asks_where_the_risk_is_high() -> None:
    """By the tool's own table, case by case, or by a rule above; an unknown tool is at its worst."""
    cases = [{"if": "amount > 500", "level": "high"}, "low"]
    asked = {"name": "explained", "high_risk": True, "ask_why": True}

    def asks(policy: Policy, tool: str = "pay", **arguments: object) -> bool:
        return policy.route_for(an_action(tool=tool, arguments=arguments)).rule.ask_why

    rated = _policy(asked, irreversibility=cases)
    assert [asks(rated, amount=amount) for amount in (500, 501)] == [False, True]
    assert asks(rated, tool="unheard-of")
    assert asks(rated, amount=[])  # what cannot be told counts as the worst
    raised = {"name": "abroad", "if": "abroad", "compliance": "high"}
    assert [asks(_policy(raised, asked), abroad=said) for said in (True, False)] == [True, False]
    assert not asks(_policy(asked, raised), abroad=True)  # what stands below comes too late


def _policy(*rules: Mapping[str, object], **levels: object) -> Policy:
    levels = {**dict.fromkeys(("irreversibility", "blast_radius", "compliance"), "low"), **levels}
    tool = {"category": "financial_transaction", **levels}
    return read_policy(
        {
            "default_route": "ops", "routes": {"ops": {"places": ["slack:C0OPS"], "approvers": ["ops"], "on_call": "sre"}},
            "tools": {"pay": tool, "other": tool}, "rules": list(rules),
        }
    )  # fmt: skip


# ---- in Slack


async def approves(o: Office, label: str = "Approve…") -> View:
    view = await (await o.slack.person("bo").clicks(o.card(), label)).modal()
    await o.workplace.until(lambda: view.title == "Approve")
    return view


async def test_slack_asks_in_a_form_that_cannot_be_sent_empty() -> None:
    """Approve opens it, Slack insists on the words, the closed card quotes them."""
    async with office() as o:
        request = await o.asks(route=asking(ROUTE))
        assert "whoever approves says why" in o.card().text_as_seen()
        view = await approves(o)
        assert (await o.slack.person("bo").submits(view)).errors
        assert (await o.slack.person("bo").submits(view.fill({"Why?": WHY}))).closed
        after = await o.until(request, lambda r: r.state is State.DECIDED)
        assert after.votes[0].verdict == Approve(WHY)
        await o.deliver()
        assert f"“{WHY}”" in o.card().text_as_seen()


async def test_slack_asks_also_where_only_todays_policy_does() -> None:
    """The card was drawn before the rule came; Approve opens the form all the same."""
    async with office(policy=the_policy(rules=(ASKED,))) as o:
        request = await o.asks()
        view = await approves(o, "Approve")
        await o.slack.person("bo").submits(view.fill({"Why?": WHY}))
        assert (await o.until(request, lambda r: r.state is State.DECIDED)).votes[0].verdict == Approve(WHY)


async def test_slack_wants_the_why_of_an_edit_beside_its_input() -> None:
    """The modify form has it too; changed values without it stay in the form."""
    async with office() as o:
        request = await o.asks(route=asking(ROUTE))
        view = await (await o.slack.person("bo").clicks(o.card(), "Modify…")).modal()
        await o.workplace.until(lambda: view.title == "Modify")
        sent = await o.slack.person("bo").submits(view.fill({"amount": "100.00"}))
        assert [*sent.errors] == ["Why? (when you change values)"]
        filled = view.fill({"amount": "100.00", "Why? (when you change values)": WHY})
        assert (await o.slack.person("bo").submits(filled)).closed
        after = await o.until(request, lambda r: r.state is State.DECIDED)
        assert after.votes[0].verdict == Modify({"amount": "100.00"}, why=WHY)


async def test_slack_does_not_count_a_bare_typed_approve() -> None:
    """Whoever typed it reads where to say why; a rejection has its reason and counts."""
    async with office() as o:
        request, bo = await o.asks(route=asking(ROUTE)), o.slack.person("bo")
        await bo.says("#finance-approvals", "approve", thread=o.card())
        await o.slack.until(lambda: bo.ephemerals)
        assert "has to say why" in bo.ephemerals[-1].text_as_seen()
        assert (await o.now(request)).votes == ()
        await bo.says("#finance-approvals", "reject wrong order", thread=o.card())
        after = await o.until(request, lambda r: r.state is State.DECIDED)
        assert after.decision is not None
        assert after.decision.verdict == Reject("wrong order")


# ---- in Teams


@pytest.mark.parametrize("dialog", [False, True], ids=["card", "dialog"])
async def test_teams_asks_in_a_form(dialog: bool) -> None:
    """In the card's place or as a dialog; an empty one comes back, a filled one counts."""
    async with teams_office() as o:
        request, bo = await o.asks(route=asking(TEAMS_ROUTE)), o.teams.person("bo")
        if dialog:
            form = await bo.opens_dialog(o.card(), "Approve in a dialog…")
            await bo.submits(form.fill({"Why?": WHY}), "Approve")
        else:
            await bo.clicks(o.card(), "Approve…")
            await bo.clicks(bo.fills(o.card(), {"Why?": WHY}), "Approve")
        assert (await o.now(request)).votes[0].verdict == Approve(WHY)
        await o.deliver()
        assert f"“{WHY}”" in o.card().text_as_seen()
