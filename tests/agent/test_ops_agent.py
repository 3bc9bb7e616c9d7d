"""The ops agent from a sentence to a changed row: its cards, its second thoughts, its tools and its last words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from company import TODAY, Company
from sayso.agent.credentials import Broker, Token, TokenSource
from sayso.agent.effect import NothingDone
from sayso.agent.msal_source import EnvironmentRefreshTokens, MsalSource
from sayso.agent.ops.mailer import Mailer, SmtpSettings
from sayso.agent.ops.tools import Introspection, OpsTools
from sayso.agent.runtime import acting
from sayso.agent.secrets import LiveTokens
from sayso.approvals.credential import CredentialRef
from sayso.approvals.request import OutcomeKind
from sayso.approvals.risk import Oversight
from sayso.approvals.verdict import Approve, Modify, Reject, RequestId, ThreadId, Undo
from sayso.sandbox.mailbox import Mailbox
from sayso.sandbox.tokens import TokenService
from sayso.sandbox.watching import Changes, Violations


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
    action = await talk.action()
    assert action.summary == "Refund 129.90 USD to Dana Smith for order 1042"
    assert action.goal == "Settle the complaint of Dana Smith about order 1042"
    assert action.arguments == {"order": 1042, "amount": "129.90", "currency": "USD"}
    order, customer = action.targets
    assert order.link == "https://backoffice.test/orders/1042"
    assert order.facts["paid"] == "129.90 USD on 12 Nov 2030"
    assert customer.name == "Dana Smith"
    assert customer.facts["lifetime"] == "4,310.00 USD (gold)"
    assert customer.facts["refunds in 90 days"] == "2"
    assert customer.facts["e-mail"] == "dana@example.com"
    assert customer.facts["last contact"]
    assert customer.link.startswith("https://backoffice.test/customers/")
    assert "arrived broken" in action.evidence[0].label
    assert action.unsure == "2 orders of this customer are for 1 floor lamp; 1042 is the latest"
    flags = (await talk.asked()).proposal.assessment.flags
    assert flags == ("Cannot be undone", "Money", "Confidence 62 % (gate below 70 %)")
    assert (await talk.asked()).ask.route == "finance"


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
    [customers] = (await talk.action()).targets
    assert (await talk.action()).scope == "18 customers"
    assert customers.facts["how many"] == "18 of 60 customers"
    assert customers.facts["first of them"].endswith(", ...")
    assert {"Cannot be undone", "Deletes records", "Wide reach"} <= set(
        (await talk.asked()).proposal.assessment.flags
    )


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
    first = await talk.asked()
    await talk.answered(wish)
    assert (await talk.asked()).id != first.id
    assert (await talk.asked()).proposal.revises == first.ask.first.digest
    assert (await talk.asked()).proposal.changes == {"before": ("2024-01-01", "2022-01-01")}
    assert (await talk.action()).scope == "6 customers"
    assert await company.office.receipts() == ()
    await talk.answered(Approve())
    assert await talk.report() == "Deleted 6 customers inactive before 2022-01-01."
    assert len(await talk.plans()) == 2


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("make it cheaper", "I did not understand"),
        ("amount=lots", "“amount” must be"),
        ("amount=500", "more than the 129.90 USD that are left"),
        ("order=9999", "There is no order 9999"),
    ],
)
async def test_a_wish_that_cannot_be_had_comes_back_on_a_new_card(
    company: Company, wish: str, why: str
) -> None:
    """The old plan, asked about anew, says what was not understood or not possible; nothing is done."""
    talk = await company.told("refund order 1042 129.90")
    first = await talk.asked()
    await talk.answered(Modify(instruction=wish))
    assert (await talk.asked()).id != first.id
    assert (await talk.action()).arguments == first.proposal.action.arguments
    assert why in (await talk.action()).unsure
    assert await company.office.receipts() == ()


async def test_a_wish_for_another_tool_asks_about_that_tool(company: Company) -> None:
    """A whole command replaces the plan; it takes the other tool's route and risk."""
    talk = await company.told("refund order 1042 129.90")
    await talk.answered(Modify(instruction="close firewall rule 8080-staging"))
    assert (await talk.action()).tool == "close_firewall_rule"
    assert (await talk.asked()).ask.route == "security"


async def test_a_rejected_grant_is_reported_and_changes_nothing(company: Company) -> None:
    """The reason reaches the person who asked."""
    talk = await company.told("grant admin to user 77 on billing")
    assert (await talk.action()).targets[0].facts["holds now"] == "viewer on billing"
    await talk.answered(Reject("Riley left finance."))
    said = await talk.report()
    assert said == "Grant admin on billing to Riley Chen: not done. The answer was no: Riley left finance."
    assert await company.office.receipts() == ()


async def test_nobody_answers_and_the_firewall_stays_open(company: Company) -> None:
    """S8: cancelled, nothing done, and said so."""
    talk = await company.told("close firewall rule 443-public")
    assert (await talk.action()).unsure == "it was used 88,214 times in the last day"
    await talk.left_alone()
    assert "Nobody decided in time; nothing was done." in await talk.report()
    assert (await company.office.firewall_rule("443-public")).closed_at is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("refnd order 1042 10", "Did you mean “refund order 1042 10.00”?"),
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
    assert (await talk.action()).arguments["to"] == "dana@example.com"
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


async def test_an_email_never_goes_to_another_address_than_the_customers(
    tmp_path: Path, mailbox: Mailbox
) -> None:
    """Whoever edits the order or the address on the card cannot send one customer's letter to another."""
    company = Company(tmp_path, {})
    mailer = Mailer(
        SmtpSettings(host="127.0.0.1", port=mailbox.port, sender="ops@example.com"), lambda: TODAY
    )
    tools = OpsTools(office=company.office, mailer=mailer)
    with (
        acting(RequestId("r1"), ()),
        pytest.raises(NothingDone, match="is not the address of the customer"),
    ):
        await tools.email_customer(order=1001, to="dana@example.com", text="hello")
    assert mailbox.letters == []


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
    assert (await talk.action()).credential is not None
    earlier = len(tenant.issued)
    tenant.advance(7200)
    await talk.answered(Approve())
    assert await talk.report() == "Refunded 129.90 USD for order 1042."
    fresh = tenant.issued[earlier:]
    assert [token.grant for token in fresh] == ["client_credentials"]
    kept = repr([snapshot async for snapshot in company.graph.aget_state_history(talk.config)])
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


async def test_drafting_is_watched_and_sending_is_gated(company: Company) -> None:
    """S27: the draft is kept at once and can be taken back; the letter waits for people."""
    drafting = await company.told('draft email order 1042 "on its way"')
    [receipt] = await company.office.receipts()
    assert receipt.sentence == "Drafted an e-mail to dana@example.com about order 1042; nothing was sent."
    offer = await drafting.asked()
    assert offer.ask.undoes is not None
    assert offer.ask.undoes.proposal.assessment.oversight is Oversight.WATCH
    assert (await (await company.told('email order 1042 "on its way"')).asked()).asked
    await drafting.answered(Undo())
    assert (await company.office.receipts())[-1].sentence.startswith("Deleted the draft to dana")
    after = await company.store.get(offer.id)
    assert after.outcome is not None
    assert after.outcome.kind is OutcomeKind.UNDONE
