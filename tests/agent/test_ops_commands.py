"""What people type to the ops agent, and what it makes of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso.agent.ops.commands import (
    FORMS,
    MAX_TEXT,
    Command,
    NotUnderstood,
    Value,
    read_change,
    read_command,
    spell,
)

REFUND = Command(
    tool="issue_refund", arguments={"order": 1042, "amount": Decimal("129.90"), "currency": "USD"}
)
DELETION = Command(tool="delete_inactive_customers", arguments={"before": date(2024, 1, 1)})
EMAIL = Command(tool="email_customer", arguments={"order": 1042, "text": "hello"})

READ: list[tuple[str, str, dict[str, Value]]] = [
    ("look up order 1042", "look_up_order", {"order": 1042}),
    ("lookup order #1042", "look_up_order", {"order": 1042}),
    ("refund order 1042 129.90", "issue_refund", {"order": 1042, "amount": Decimal("129.90")}),
    (
        "refund order 1042 20 eur",
        "issue_refund",
        {"order": 1042, "amount": Decimal("20.00"), "currency": "EUR"},
    ),
    (
        "delete inactive customers before 2024-01-01",
        "delete_inactive_customers",
        {"before": date(2024, 1, 1)},
    ),
    ("grant admin to user 77 on billing", "grant_role", {"role": "admin", "user": 77, "system": "billing"}),
    (
        'email order 1042 "your refund is on its way"',
        "email_customer",
        {"order": 1042, "text": "your refund is on its way"},
    ),
    ("close firewall rule 443-public", "close_firewall_rule", {"rule": "443-public"}),
]


@pytest.mark.parametrize(("text", "tool", "arguments"), READ)
def test_every_command_of_the_manual_is_read(text: str, tool: str, arguments: dict[str, Value]) -> None:
    """Arguments come out as whole numbers, decimals and days, never as strings of them."""
    assert read_command(text) == Command(tool=tool, arguments=arguments)


@pytest.mark.parametrize(
    "text",
    [
        "<@U0123ABC> refund order 1042 129.90",
        "<@U0123ABC|sayso>: Refund  Order\n1042   129.90",
        "@sayso please REFUND ORDER 1042 129.90.",
        "\u200brefund\u00a0order 1042 129.90 ",
    ],
)
def test_people_do_not_type_like_machines(text: str) -> None:
    """A mention, capitals, odd spaces, a polite word and a full stop do not matter."""
    assert read_command(text) == Command(
        tool="issue_refund", arguments={"order": 1042, "amount": Decimal("129.90")}
    )


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("“we’re sorry, Dana”", "we’re sorry, Dana"),
        ("'two\nlines'", "two\nlines"),
        ('"she said "hi" twice"', 'she said "hi" twice'),
        ("„guten Tag“", "guten Tag"),
    ],
)
def test_only_the_outermost_quotes_of_an_email_are_taken_off(said: str, text: str) -> None:
    """Phones turn quotes into curly ones; the words between them are sent as they were typed."""
    assert read_command(f"email order 1042 {said}") == Command(
        tool="email_customer", arguments={"order": 1042, "text": text}
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("refund order 1042 1,299", "amount"),
        ("refund order 1042 0.00", "amount"),
        ("refund order 1042 -5", "amount"),
        ("refund order 1042 NaN", "amount"),
        ("refund order 1042 1e3", "amount"),
        ("refund order 1042 12.345", "amount"),
        ("refund order 1042 ١٢", "amount"),
        ("refund order 99999999999999999999 5", "order"),
        ("refund order 1042 5 bitcoin", "currency"),
        ("delete inactive customers before 2024-02-30", "before"),
        ("delete inactive customers before yesterday", "before"),
        ("grant admin to user dana on billing", "user"),
        ("close firewall rule ../etc", "rule"),
        ("close firewall rule 443-public/../etc", "rule"),
        ('email order 1042 ""', "text"),
        ('email order 1042 "a\x00b"', "text"),
        ('email order 1042 "a\ud800b"', "text"),
    ],
)
def test_a_bad_value_is_named_and_never_guessed(text: str, key: str) -> None:
    """Nobody learns from "invalid input"; a comma in an amount is asked back, not interpreted."""
    answer = read_command(text)
    assert isinstance(answer, NotUnderstood)
    assert answer.key == key
    assert answer.sentence.startswith(f"“{key}” must be ")


def test_an_unknown_command_lists_what_is_understood() -> None:
    """The answer to nonsense is the manual."""
    answer = read_command("make me a sandwich")
    assert isinstance(answer, NotUnderstood)
    assert all(form.example in answer.sentence for form in FORMS)


def test_a_misspelt_verb_is_offered_back_corrected() -> None:
    """The suggestion can be sent as it stands, but it is never acted upon by itself."""
    answer = read_command("refnd order 1042 129.9")
    assert isinstance(answer, NotUnderstood)
    assert answer.suggestion == "refund order 1042 129.90"
    assert "Did you mean “refund order 1042 129.90”?" in answer.sentence


def test_a_misspelt_verb_before_nonsense_is_no_suggestion() -> None:
    """Only a whole command is ready to be sent; otherwise its form is shown."""
    answer = read_command("refnd order x 5")
    assert isinstance(answer, NotUnderstood)
    assert answer.suggestion == ""
    assert "Write it like “refund order 1042 129.90”." in answer.sentence


def test_a_command_with_a_piece_missing_shows_its_form() -> None:
    """A refund without an amount is not a refund of everything."""
    answer = read_command("refund order 1042")
    assert isinstance(answer, NotUnderstood)
    assert "Write it like “refund order 1042 129.90”." in answer.sentence


def test_one_command_does_not_smuggle_in_a_second() -> None:
    """What follows a whole command makes it not understood."""
    assert isinstance(read_command("look up order 1042 and refund order 1042 5"), NotUnderstood)
    assert isinstance(read_command("look up order 1042\nrefund order 1042 5"), NotUnderstood)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("amount=50", {"amount": Decimal("50.00")}),
        ("Amount = 50, currency=eur", {"amount": Decimal("50.00"), "currency": "EUR"}),
        ("@sayso amount=“50” order='1055'", {"amount": Decimal("50.00"), "order": 1055}),
    ],
)
def test_a_change_names_only_what_changes(text: str, changed: dict[str, Value]) -> None:
    """`key=value`, one or several; the other arguments stay."""
    expected = Command(tool="issue_refund", arguments={**REFUND.arguments, **changed})
    assert read_change(text, REFUND) == expected


def test_a_quoted_value_may_hold_commas_spaces_and_equals_signs() -> None:
    """The new text of an e-mail is not cut at its first comma."""
    changed = read_change('text="Sorry, Dana: total = 5" order=1029', EMAIL)
    assert changed == Command(
        tool="email_customer", arguments={"order": 1029, "text": "Sorry, Dana: total = 5"}
    )


def test_a_change_may_be_a_whole_command() -> None:
    """Also another one: the agent plans again, and people are asked about the new plan."""
    assert read_change("delete inactive customers before 2023-01-01", DELETION) == Command(
        tool="delete_inactive_customers", arguments={"before": date(2023, 1, 1)}
    )
    assert read_change("look up order 7", DELETION) == Command(tool="look_up_order", arguments={"order": 7})


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("amont=5", "amont", "Did you mean “amount”?"),
        ("before=2023-01-01", "before", "There is no “before” to change."),
        ("amount=lots", "amount", "“amount” must be"),
        ("amount=5 amount=6", "amount", "given twice"),
        ("amount=5 and thanks", "", "“and thanks”"),
        ("a bit less please", "", "I did not understand the change."),
        ("amount=5 order=", "", "“order=”"),
    ],
)
def test_a_change_that_is_not_understood_names_its_key(text: str, key: str, says: str) -> None:
    """Half of a change is never applied."""
    answer = read_change(text, REFUND)
    assert isinstance(answer, NotUnderstood)
    assert answer.key == key
    assert says in answer.sentence


def test_a_hostile_text_cannot_break_out_of_the_sentence() -> None:
    """What is quoted back is short, on one line, and cannot close its code span."""
    answer = read_change("amount=`\n<!channel>" + "x" * 500, REFUND)
    assert isinstance(answer, NotUnderstood)
    assert len(answer.sentence) < 300
    assert "\n" not in answer.sentence


def test_an_endless_text_is_refused_unread() -> None:
    """No pattern ever sees more than a message can hold."""
    answer = read_command("refund order 1042 " + "9" * MAX_TEXT)
    assert isinstance(answer, NotUnderstood)
    assert "longer than" in answer.sentence


FRAGMENTS = st.lists(
    st.one_of(
        st.sampled_from(
            [*[word for form in FORMS for word in form.example.split()], "=", '"', "“", "'", ",", "\n"]
        ),
        st.sampled_from(["amount", "text", "before", "order", "<@U1>", "@", "`", "\ud800", "\x00"]),
        st.text(max_size=12),
    ),
    max_size=14,
)


@given(
    st.one_of(st.text(), FRAGMENTS.map("".join), FRAGMENTS.map(" ".join)), st.sampled_from([REFUND, EMAIL])
)
def test_no_text_makes_the_reader_raise(text: str, command: Command) -> None:
    """Whatever people, bots and attackers type: a command or a sentence; and a command reads back as itself."""
    for read in (read_command(text), read_change(text, command)):
        if isinstance(read, Command):
            assert read_command(spell(read)) == read
        else:
            assert read.sentence
