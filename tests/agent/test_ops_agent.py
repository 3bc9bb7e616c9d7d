"""The ops agent from a sentence to a changed row: its cards, its second thoughts, its tools and its last words."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from sayso.agent.asking import ask_of
from sayso.agent.credentials import Broker, Token, TokenSource
from sayso.agent.effect import NothingDone
from sayso.agent.msal_source import EnvironmentRefreshTokens, MsalSource
from sayso.agent.ops.backoffice import BackOffice
from sayso.agent.ops.commands import Command, NotUnderstood
from sayso.agent.ops.diary import Diary
from sayso.agent.ops.graph import make
from sayso.agent.ops.planner import ModelReader, Reading, reader_from
from sayso.agent.ops.tools import Introspection
from sayso.agent.policy_file import load_policy
from sayso.agent.resume import Graph, answer_pause, begin
from sayso.agent.runtime import Runtime, running
from sayso.agent.secrets import LiveTokens
from sayso.agent.standing import standing_of
from sayso.approvals import machine
from sayso.approvals.action import Action
from sayso.approvals.credential import CredentialRef
from sayso.approvals.errors import BadSetting
from sayso.approvals.memory import MemoryStore
from sayso.approvals.people import Place
from sayso.approvals.request import PauseKey, Request, Run
from sayso.approvals.risk import Oversight
from sayso.approvals.signing import Signer, Verifier
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, ThreadId, Verdict
from sayso.sandbox.mailbox import Mailbox
from sayso.sandbox.tokens import TokenService
from sayso.sandbox.watching import Changes, Violations
from scenes import ALEX, BO, a_vote

ROOT = Path(__file__).resolve().parents[2]
POLICY = load_policy(ROOT / "agent" / "ops" / "catalog.toml")
TODAY = datetime(2030, 11, 20, 9, tzinfo=UTC)


class NoKeeper:
    """Leases need no renewing where the clock stands still."""

    def effect(self, request: RequestId) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


class Company:
    """The ops agent at work: says a sentence to it, answers what it asks, and looks at what changed."""

    def __init__(self, path: Path, env: dict[str, str], broker: Broker | None = None) -> None:
        database = path / "ops.sqlite3"
        self.office = BackOffice(database, "https://backoffice.test", lambda: TODAY)
        self.diary = Diary(database)
        self.store = MemoryStore(TODAY)
        self.graph: Graph = make({"SAYSO_OPS_DATABASE": str(database), "SAYSO_OPS_BASE_URL": "https://backoffice.test", **env}).compile(
            checkpointer=InMemorySaver()
        )  # fmt: skip
        self._signer = Signer(bytes(range(32)))
        self._broker = broker or Broker({}, LiveTokens())
        self._threads = itertools.count(1)

    async def told(self, words: str) -> Talk:
        """Somebody says this to the agent."""
        run = Run(
            thread=ThreadId(f"t{next(self._threads)}"),
            graph="ops",
            asked_by=ALEX,
            origin=Place("slack:C1/1.1"),
        )
        talk = Talk(self, run)
        await talk.run(lambda config: begin(self.graph, config, {"goal": words}))
        return talk

    def runtime(self, run: Run) -> Runtime:
        return Runtime(
            store=self.store, policy=POLICY, verifier=Verifier([self._signer.public_key]), broker=self._broker,
            keeper=NoKeeper(), run=run, worker="w1",
        )  # fmt: skip

    def vote(self, request: Request, verdict: Verdict) -> Any:
        return a_vote(request, BO, verdict, at=TODAY, signer=self._signer)


class Talk:
    """One run of the agent."""

    def __init__(self, company: Company, run: Run) -> None:
        self._company = company
        self._run = run
        self._config: Any = {"configurable": {"thread_id": run.thread}}
        self._asked: Request | None = None

    @property
    def asked(self) -> Request:
        """What people are asked now."""
        assert self._asked is not None, "the agent asked nothing"
        return self._asked

    @property
    def action(self) -> Action:
        return self.asked.proposal.action

    async def report(self) -> str:
        """The agent's last words."""
        assert self._asked is None, "the agent waits for an answer"
        standing = await standing_of(self._company.graph, self._config)
        assert standing.ended
        return str(standing.values["report"])

    async def plans(self) -> tuple[str, ...]:
        return await self._company.diary.plans(self._run.thread)

    async def answered(self, verdict: Verdict) -> None:
        """Bo answers, and the agent goes on."""
        store, request = self._company.store, self.asked
        vote = self._company.vote(request, verdict)
        await store.change(request.id, lambda r, now: machine.vote(r, vote, frozenset({BO}), 1, now))
        await self._resumed(verdict.type)

    async def left_alone(self) -> None:
        """Nobody answers until it is too late."""
        store, request = self._company.store, self.asked
        store.advance(request.ask.deadline.expires_at - await store.now())
        await store.change(request.id, machine.fire)
        await self._resumed("expired")

    async def run(self, enter: Callable[[Any], Any]) -> None:
        """Enter the graph as a worker would, and open a request for what it asks."""
        store, graph = self._company.store, self._company.graph
        with running(self._company.runtime(self._run)):
            await enter(self._config)
        self._asked = None
        for pause in (await standing_of(graph, self._config)).pauses:
            ask = ask_of(
                self._run, pause.value["frozen"], key=PauseKey(thread=self._run.thread, interrupt=pause.interrupt),
                policy=POLICY, now=await store.now(), schema=pause.value["parameters_schema"],
            )  # fmt: skip
            self._asked = await store.open(machine.opened(ask))

    async def _resumed(self, answer: Any) -> None:
        store, request = self._company.store, self.asked
        await store.change(request.id, lambda r, now: machine.resuming(r, "w1", now))
        key = request.ask.key.interrupt
        await self.run(
            lambda config: answer_pause(
                self._company.graph, config, key, {"type": answer, "request": request.id}
            )
        )


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """A company whose tools need no tokens and whose mail server is not there."""
    return Company(tmp_path, {"SAYSO_OPS_SMTP": "127.0.0.1:1"})


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server whose rules were kept."""
    violations = Violations()
    server = Mailbox(violations=violations, changes=Changes())
    await server.start()
    yield server
    await server.stop()
    violations.assert_clean()


@pytest.fixture
async def tenant() -> AsyncIterator[TokenService]:
    """A token service whose rules were kept."""
    violations = Violations()
    server = TokenService(violations=violations, changes=Changes())
    await server.start()
    yield server
    await server.stop()
    violations.assert_clean()


async def test_a_look_up_runs_by_itself_and_is_on_record(company: Company) -> None:
    """S5: nobody is asked; the report tells, the record has it."""
    talk = await company.told("look up order 1042")
    assert "1 floor lamp, paid 129.90 USD" in await talk.report()
    assert "Bought by Dana Smith" in await talk.report()
    [record] = [e for e in await company.store.trail(ThreadId("t1")) if e.entry.event == "ran without asking"]
    assert record.request is not None
    assert (await company.store.get(record.request)).oversight is Oversight.FREE


async def test_a_refund_shows_what_a_hurried_reviewer_needs(company: Company) -> None:
    """S15 to S19: goal, sentence, record with link and facts, evidence, doubts, flags."""
    talk = await company.told("refund order 1042 129.90")
    action = talk.action
    assert action.summary == "Refund 129.90 USD to Dana Smith for order 1042"
    assert action.goal == "Settle the complaint of Dana Smith about order 1042"
    assert action.arguments == {"order": 1042, "amount": "129.90", "currency": "USD"}
    order, customer = action.targets
    assert order.link == "https://backoffice.test/orders/1042"
    assert order.facts["paid"] == "129.90 USD on 12 Nov 2030"
    assert customer.name == "Dana Smith"
    assert customer.facts["lifetime"] == "4,310.00 USD (gold)"
    assert customer.facts["refunds in 90 days"] == "2"
    assert "arrived broken" in action.evidence[0].label
    assert action.unsure == "2 orders of this customer are for 1 floor lamp; 1042 is the latest"
    flags = talk.asked.proposal.assessment.flags
    assert flags == ("Cannot be undone", "Money", "Confidence 62 % (gate below 70 %)")
    assert talk.asked.ask.route == "finance"


async def test_an_approved_refund_changes_the_row_once(company: Company) -> None:
    """Nothing before the answer, one receipt after it, and `plan` ran once (S9)."""
    talk = await company.told("refund order 1042 129.90")
    assert await company.office.receipts() == ()
    await talk.answered(Approve())
    [receipt] = await company.office.receipts()
    assert receipt.sentence == await talk.report() == "Refunded 129.90 USD for order 1042."
    assert (await company.office.order(1042)).refunded == Decimal("129.90")
    assert await talk.plans() == ("refund order 1042 129.90",)


async def test_a_deletion_says_how_many_and_who(company: Company) -> None:
    """The scope stands on the card with the first names and what they are worth."""
    talk = await company.told("delete inactive customers before 2024-01-01")
    [customers] = talk.action.targets
    assert talk.action.scope == "18 customers"
    assert customers.facts["how many"] == "18 of 60 customers"
    assert customers.facts["first of them"].endswith(", ...")
    assert {"Cannot be undone", "Deletes records", "Wide reach"} <= set(talk.asked.proposal.assessment.flags)


@pytest.mark.parametrize(
    "wish",
    [
        Modify(changes={"before": "2022-01-01"}),
        Modify(instruction="before=2022-01-01"),
        Modify(instruction="delete inactive customers before 2022-01-01"),
    ],
)
async def test_a_smaller_scope_is_planned_again_and_shown_again(company: Company, wish: Modify) -> None:
    """S14: typed or written, a modification makes a new card that says what differs; only that scope is deleted."""
    talk = await company.told("delete inactive customers before 2024-01-01")
    first = talk.asked
    await talk.answered(wish)
    assert talk.asked.id != first.id
    assert talk.asked.proposal.revises == first.ask.first.digest
    assert talk.asked.proposal.changes == {"before": ("2024-01-01", "2022-01-01")}
    assert talk.action.scope == "6 customers"
    assert await company.office.receipts() == ()
    await talk.answered(Approve())
    assert await talk.report() == "Deleted 6 customers inactive before 2022-01-01."
    assert len(await talk.plans()) == 2


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("make it cheaper", "I did not understand"),
        ("amount=lots", "`amount` must be"),
        ("amount=500", "more than the 129.90 USD that are left"),
        ("order=9999", "There is no order 9999"),
    ],
)
async def test_a_wish_that_cannot_be_had_comes_back_on_a_new_card(
    company: Company, wish: str, why: str
) -> None:
    """The old plan, asked about anew, says what was not understood or not possible; nothing is done."""
    talk = await company.told("refund order 1042 129.90")
    first = talk.asked
    await talk.answered(Modify(instruction=wish))
    assert talk.asked.id != first.id
    assert talk.action.arguments == first.proposal.action.arguments
    assert why in talk.action.unsure
    assert await company.office.receipts() == ()


async def test_a_wish_for_another_tool_asks_about_that_tool(company: Company) -> None:
    """A whole command replaces the plan; it takes the other tool's route and risk."""
    talk = await company.told("refund order 1042 129.90")
    await talk.answered(Modify(instruction="close firewall rule 8080-staging"))
    assert talk.action.tool == "close_firewall_rule"
    assert talk.asked.ask.route == "security"


async def test_a_rejected_grant_is_reported_and_changes_nothing(company: Company) -> None:
    """The reason reaches the person who asked."""
    talk = await company.told("grant admin to user 77 on billing")
    assert talk.action.targets[0].facts["holds now"] == "viewer on billing"
    await talk.answered(Reject("Riley left finance."))
    said = await talk.report()
    assert said == "Grant admin on billing to Riley Chen: not done. bo said no: Riley left finance."
    assert await company.office.receipts() == ()


async def test_nobody_answers_and_the_firewall_stays_open(company: Company) -> None:
    """S8: cancelled, nothing done, and said so."""
    talk = await company.told("close firewall rule 443-public")
    assert talk.action.unsure == "it was used 88,214 times in the last day"
    await talk.left_alone()
    assert "Nobody decided in time; nothing was done." in await talk.report()
    assert (await company.office.firewall_rule("443-public")).closed_at is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("refnd order 1042 10", "Did you mean `refund order 1042 10.00`?"),
        ("refund order 9999 10", "I did nothing: There is no order 9999."),
        ("refund order 1042 500", "more than the 129.90 USD that are left"),
        ("refund order 1042 10 EUR", "was paid in USD, not in EUR"),
        ("grant viewer to user 77 on billing", "is already viewer on billing"),
        ("delete inactive customers before 1999-01-01", "nothing to delete"),
    ],
)
async def test_what_cannot_be_done_is_not_asked_about(company: Company, words: str, said: str) -> None:
    """People are asked only about what could happen (S21)."""
    talk = await company.told(words)
    assert said in await talk.report()
    assert await company.store.live() == []


async def test_a_rule_of_the_business_still_holds_after_the_approval(company: Company) -> None:
    """The money went elsewhere while people decided: the tool did nothing and says why."""
    talk = await company.told("refund order 1042 129.90")
    await company.office.issue_refund(1042, Decimal("100.00"), "USD", key="someone-else")
    await talk.answered(Approve())
    assert "more than the 29.90 USD that are left" in await talk.report()
    [only] = await company.office.receipts()
    assert only.key == "someone-else"


async def test_an_approved_email_leaves_by_smtp(tmp_path: Path, mailbox: Mailbox) -> None:
    """To the address that stood on the card, with the words that stood on the card."""
    company = Company(tmp_path, {"SAYSO_OPS_SMTP": f"127.0.0.1:{mailbox.port}"})
    talk = await company.told('email order 1042 "your refund is on its way"')
    assert talk.action.arguments["to"] == "dana@example.com"
    assert mailbox.letters == []
    await talk.answered(Approve())
    [letter] = mailbox.to("dana@example.com")
    assert letter.get_content().strip() == "your refund is on its way"
    assert await talk.report() == "Sent the e-mail about order 1042 to dana@example.com."


async def test_an_email_that_did_not_leave_is_reported_so(company: Company) -> None:
    """The mail server is not there: certainly not sent."""
    talk = await company.told('email order 1042 "hello"')
    await talk.answered(Approve())
    assert "certainly not sent" in await talk.report()


def an_entra(tenant: TokenService) -> MsalSource:
    """The ops agent's own credentials at this tenant."""
    return MsalSource(
        authority=tenant.authority, client_id=tenant.client_id, client_secret=tenant.client_secret,
        service="ops-agent", refresh_tokens=EnvironmentRefreshTokens({}), ca_file=tenant.ca_file,
    )  # fmt: skip


class Slow:
    """A token source whose tokens die on their way to the tool."""

    def __init__(self, tenant: TokenService) -> None:
        self._tenant = tenant

    async def fetch(self, ref: CredentialRef) -> Token:
        token = await an_entra(self._tenant).fetch(ref)
        self._tenant.advance(7200)
        return token


def guarded(path: Path, tenant: TokenService, source: TokenSource) -> Company:
    """A company whose back office asks about every token."""
    env = {
        "SAYSO_OPS_TOKEN_CHECK_URL": f"{tenant.url}/introspect", "SAYSO_OPS_CA_FILE": tenant.ca_file,
        "SAYSO_OPS_SMTP": "127.0.0.1:1",
    }  # fmt: skip
    return Company(path, env, Broker({"entra": source}, LiveTokens()))


async def test_a_run_whose_token_died_in_the_wait_goes_through(tmp_path: Path, tenant: TokenService) -> None:
    """S22, S24: two hours pass, every earlier token is dead, the tool runs with a fresh one; none is in the state."""
    company = guarded(tmp_path, tenant, an_entra(tenant))
    talk = await company.told("refund order 1042 129.90")
    assert talk.action.credential is not None
    earlier = len(tenant.issued)
    tenant.advance(7200)
    await talk.answered(Approve())
    assert await talk.report() == "Refunded 129.90 USD for order 1042."
    fresh = tenant.issued[earlier:]
    assert [token.grant for token in fresh] == ["client_credentials"]
    kept = repr([snapshot async for snapshot in company.graph.aget_state_history(talk._config)])
    assert not [token for token in tenant.issued if token.token in kept]


async def test_the_back_office_refuses_a_dead_token(tmp_path: Path, tenant: TokenService) -> None:
    """The guard asks the token service itself: a token that died between exchange and use moves nothing."""
    company = guarded(tmp_path, tenant, Slow(tenant))
    talk = await company.told("refund order 1042 129.90")
    await talk.answered(Approve())
    assert "refused the access token" in await talk.report()
    assert await company.office.receipts() == ()


async def test_a_token_service_that_cannot_say_lets_nothing_through(tenant: TokenService) -> None:
    """Fail closed: unreachable is not *alive*."""
    check = Introspection("https://127.0.0.1:1/introspect", tenant.ca_file)
    with pytest.raises(NothingDone, match="could not say"):
        await check("anything")


class Parrot:
    """A chat model that always says the same."""

    def __init__(self, says: str) -> None:
        self.says = says
        self.heard: list[Any] = []

    async def ainvoke(self, input: Any, /) -> Any:
        self.heard.append(input)
        return AIMessage(self.says)


async def test_a_model_puts_free_words_into_the_grammar() -> None:
    """What it says is read like a person's command, with less confidence."""
    reader = ModelReader(Parrot("refund order 1042 129.90"))
    reading = await reader.read("Dana's lamp is broken, give her the 129.90 for 1042 back")
    assert isinstance(reading, Reading)
    assert reading.command == Command(
        tool="issue_refund", arguments={"order": 1042, "amount": Decimal("129.90")}
    )
    assert reading.confidence < 0.9


@pytest.mark.parametrize("says", ["UNKNOWN", "rm -rf /", "transfer 1000000 to me", ""])
async def test_a_model_cannot_name_what_the_grammar_does_not_have(says: str) -> None:
    """No tool and no argument comes from anywhere but the grammar; the person gets the grammar's own answer."""
    assert isinstance(await ModelReader(Parrot(says)).read("do something"), NotUnderstood)


async def test_exact_words_never_reach_the_model() -> None:
    """What the grammar reads needs no guess."""
    model = Parrot("grant admin to user 77 on billing")
    reading = await ModelReader(model).read("look up order 1042")
    assert isinstance(reading, Reading)
    assert (reading.command.tool, reading.confidence, model.heard) == ("look_up_order", 1.0, [])


def test_a_model_that_does_not_exist_is_named_at_the_start() -> None:
    """The setting stands in the sentence."""
    with pytest.raises(BadSetting, match="SAYSO_MODEL=nonsense:x"):
        reader_from({"SAYSO_MODEL": "nonsense:x"})


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SAYSO_OPS_SMTP": "nowhere"}, "SAYSO_OPS_SMTP must be host:port"),
        ({"SAYSO_OPS_SENDER": "not an address"}, "SAYSO_OPS_SENDER: "),
        ({"SAYSO_OPS_TOKEN_CHECK_URL": "https://x", "SAYSO_OPS_CA_FILE": "/nowhere/ca.pem"}, "SAYSO_OPS_CA_FILE: "),
        ({"SAYSO_OPS_DATABASE": "/proc/none/ops.sqlite3"}, "SAYSO_OPS_DATABASE: "),
    ],
)  # fmt: skip
def test_a_bad_setting_is_named_at_the_start(tmp_path: Path, env: dict[str, str], said: str) -> None:
    """One sentence, before anything runs."""
    with pytest.raises(BadSetting, match=f"^{said}"):
        make({"SAYSO_OPS_DATABASE": str(tmp_path / "ops.sqlite3"), **env})


def test_the_drawing_shows_where_people_decide(tmp_path: Path) -> None:
    """S12: the review is a node of its own in the graph's diagram."""
    graph = make({"SAYSO_OPS_DATABASE": str(tmp_path / "ops.sqlite3")}).compile()
    drawn = graph.get_graph(xray=True).draw_mermaid()
    assert all(name in drawn for name in ("plan", "review", "act", "report"))
