"""The sentences beside the card: each is true of the record, and says what the reader can do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from card_states import decided, fired, states
from sayso.approvals import machine
from sayso.approvals.change import Notice, NoticeKind
from sayso.approvals.errors import (
    AlreadySettled,
    BadChange,
    DirectoryDown,
    NotAllowed,
    Outdated,
    RequestNotFound,
    SaysoError,
    StoreDown,
    WhyNot,
)
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import Request
from sayso.approvals.verdict import Approve, Reject, ThreadId
from sayso.cards import blockkit
from sayso.cards.answers import BadPress
from sayso.cards.lint import lint_message, texts
from sayso.cards.page_words import page_details, page_summary
from sayso.cards.plaintext import rows_text
from sayso.cards.words import answered, notice_text, refusal
from scenes import BO, FINANCE, NOON, a_request, an_action

STATES = states()


def name(person: PersonId) -> str:
    return person.title()


def a_notice(kind: NoticeKind, **overrides: Any) -> Notice:
    values: dict[str, Any] = {"key": "k", "kind": kind, "place": Place(""), "thread": ThreadId("t1")}
    return Notice(**{**values, **overrides})


def said(kind: NoticeKind, request: Request | None, **overrides: Any) -> str:
    return rows_text(notice_text(a_notice(kind, **overrides), request, name=name))


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("state", [None, *STATES])
def test_every_notice_has_words_in_every_state(kind: NoticeKind, state: str | None) -> None:
    """A notice may be told late, when the record has moved on: it still says something, within the limits."""
    request = STATES[state] if state else None
    rows = notice_text(a_notice(kind, text="all done", by=BO, mention=("finance",)), request, name=name)
    message = blockkit.say(rows)
    assert message.text.strip()
    assert lint_message(message.blocks) == ()


def test_a_reminder_calls_the_approvers_and_says_until_when() -> None:
    """The set becomes people where the platform knows them."""
    rows = notice_text(a_notice(NoticeKind.REMINDER, mention=("finance",)), a_request(), name=name)
    blocks = blockkit.say(rows, members=lambda circle: ["U1", "S2"] if circle == "finance" else []).blocks
    together = "".join(texts(list(blocks)))
    assert together.startswith("<@U1>, <!subteam^S2> Still waiting for an answer. Answer by <!date^")
    assert "Refund 129.90 USD" in together


def test_that_on_call_is_paged_is_said_once() -> None:
    """The row that says since when is enough; a notice that is told late says at least that."""
    assert said(NoticeKind.PAGED, STATES["open_in_grace"]).count("On-call") == 1
    assert "On-call was paged" in said(NoticeKind.PAGED, STATES["open_in_grace"])
    assert "On-call is paged" in said(NoticeKind.PAGED, STATES["decided_approved"])


def test_nobody_there_names_the_empty_circle() -> None:
    """An empty step moves on at once and says so."""
    assert "Nobody is in seniors now" in said(NoticeKind.NOBODY_THERE, a_request(), text="seniors")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("closed_revised_ended", "sent this back. The agent planned again and ended without asking again:"),
        ("closed_revised_broken", "sent this back. The agent broke off before it asked again; nothing more"),
    ],
)
def test_whoever_corrected_it_is_called_when_nobody_is_asked_again(state: str, said: str) -> None:
    """The agent's words stand apart, and what it was about."""
    notice = a_notice(NoticeKind.ENDED, by=BO, text="There is no order 999999.")
    blocks = blockkit.say(notice_text(notice, STATES[state], name=name), account=lambda _: "U1").blocks
    together = "".join(texts(list(blocks)))
    assert "'user_id': 'U1'" in str(blocks[0])
    assert together.startswith(f" {said}")
    assert "no order 999999." in together
    assert "Refund 129.90 USD" in together


def test_a_decision_is_told_with_name_and_reason() -> None:
    """Who, what, when, and the words that were given."""
    text = " ".join(said(NoticeKind.DECIDED, decided(Reject("paid on Monday"))).split())
    assert text == "Rejected by @Bo Tue 1 Jan 2030 12:05 UTC: “paid on Monday”"


def test_an_edit_is_told_with_the_difference() -> None:
    """And that earlier votes are void."""
    text = " ".join(said(NoticeKind.EDITED, STATES["open_edited"], by=BO).split())
    assert "@Bo changed what is asked: amount 129.90 → 100.00. Earlier votes are void." in text


def test_an_agents_report_stands_in_a_quote_and_calls_nobody() -> None:
    """Whatever the agent's last words are, they are its own and dead."""
    rows = notice_text(
        a_notice(NoticeKind.REPORT, text="<!channel> see https://evil.example\n\n\nDone"), None, name=name
    )
    message = blockkit.say(rows)
    [block] = message.blocks
    assert [part["type"] for part in block["elements"]] == ["rich_text_quote"]
    assert "<!" not in message.text
    assert "://" not in message.text
    long = blockkit.say(notice_text(a_notice(NoticeKind.REPORT, text="x" * 100_000), None, name=name))
    assert lint_message(long.blocks) == ()


def test_a_started_tool_is_never_said_to_have_done_nothing() -> None:
    """A worker that is late while the tool runs is another sentence than one that never came."""
    assert "Nothing was done" in said(NoticeKind.STUCK, STATES["stuck"])
    assert "othing" not in said(NoticeKind.STUCK, STATES["running"]).replace("Nothing is", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AlreadySettled("decided", ("cy",)), "@Cy was faster. Your answer was not counted; see the card."),
        (AlreadySettled("expired"), "Too late: the request has expired, and nothing is done."),
        (AlreadySettled("closed"), "This has ended already; your answer was not counted. See the card."),
        (Outdated(), "The card showed an older revision of this request; look at the newest card."),
        (NotAllowed(WhyNot.OWN_REQUEST), "You asked for this, so somebody else has to decide it."),
        (BadChange({"amount": "too high"}), "That change does not fit: amount: too high"),
        (DirectoryDown(), "I cannot check who you are right now, so nothing was counted. Please try again in a minute."),
        (RequestNotFound(), "I do not know this request any more: it was cleared away, and nothing was counted."),
        (
            StoreDown(),
            ("I cannot reach my records right now, so I do not know whether that was counted. "
            "Please look at the card again in a minute."),
        ),
        (BadPress(), "This button carries nothing I know; please open the newest card."),
        (SaysoError("internal: xyz"), "That did not work, and it was not counted. Please try again."),
    ],
)  # fmt: skip
def test_every_refusal_says_why(error: SaysoError, words: str) -> None:
    """P13: no click is swallowed, and no inner word leaks."""
    assert refusal(error, name=name) == words


def test_the_loser_of_a_race_reads_who_decided_what() -> None:
    """Name, verdict, time and reason of the one who was faster."""
    request = decided(Reject("paid on Monday"))
    words = refusal(AlreadySettled("decided", ("bo",)), name=name, request=request)
    assert words == (
        "Rejected by @Bo Tue 1 Jan 2030 12:05 UTC: “paid on Monday”. Your answer came later and was not counted."
    )


def test_a_counted_answer_says_what_it_led_to() -> None:
    """Decided, or how many are still needed, or that the clock was first."""
    assert answered(decided(), Approve()) == "Approved: Refund 129.90 USD to Dana Smith for order 1042"
    assert (
        answered(STATES["open_with_votes"], Approve())
        == "Counted: 1 of 2 so far. The others have to answer too."
    )
    assert answered(STATES["expired"], Approve()) == "Too late: the request has expired, and nothing is done."


def test_a_page_makes_sense_at_three_in_the_morning() -> None:
    """S28: what is asked, what happens if nobody acts and when, what the reader may do, and where."""
    request = fired(a_request(), 24.5)
    assert page_summary(request) == (
        "An AI agent needs a person's yes or no by Wed 2 Jan 2030 13:00 UTC, or it is cancelled: "
        "Refund 129.90 USD to Dana Smith for order 1042"
    )
    links = {"#finance": "https://slack.example/archives/C1/p1", "bad": "javascript:x"}
    words = page_details(request, name=name, links=links)
    assert words["If nobody acts"].startswith("At Wed 2 Jan 2030 13:00 UTC it is cancelled: nothing is done")
    assert words["What you may do"].startswith("Approve, modify or reject on the card (you count as on-call)")
    assert words["Exactly"] == "issue_refund: order = 1042; amount = 129.90; currency = USD"
    assert words["Card in #finance"] == links["#finance"]
    assert "javascript" not in str(words)


def test_who_is_paged_without_a_vote_is_told_whom_to_reach() -> None:
    """A route may page people who cannot decide."""
    request = fired(a_request(route=replace(FINANCE, on_call_decides=False)), 24.5)
    assert page_details(request, name=name)["What you may do"].startswith(
        "You cannot decide this yourself: reach one of finance"
    )


def test_a_page_for_a_lost_agent_or_an_unknown_outcome_says_so() -> None:
    """Not every page asks for an approval."""
    assert page_summary(STATES["stuck"]).startswith("Decided, but the agent does not come back: ")
    assert page_summary(STATES["unknown"]).startswith("Nobody knows whether this happened, please look: ")
    assert "never" not in page_details(STATES["stuck"], name=name)["If nobody acts"]
    assert page_details(STATES["unknown"], name=name)["If nobody acts"].startswith("It stays unknown")


def test_a_page_stays_short_whatever_the_agent_says() -> None:
    """A telephone shows a line or two."""
    hostile = a_request(action=an_action(summary="x\u202e\n" * 5_000, reasoning="y" * 100_000))
    assert len(page_summary(hostile)) <= 250
    assert "\n" not in page_summary(hostile)
    assert sum(map(len, page_details(hostile, name=name).values())) < 6_000


def test_being_handed_on_is_told_with_the_reason() -> None:
    """Who handed it on and why; the words stand in a quote."""
    request = machine.hand_on(a_request(), BO, 1, "I am on leave", NOON).request
    text = said(NoticeKind.HANDED_ON, request, by=BO, text="I am on leave")
    assert "@Bo handed the question to the next line:" in text
    assert "| I am on leave" in text
