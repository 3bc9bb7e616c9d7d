"""Links of audit records: whatever is done to a trail, the first record it was done to is named."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sayso.approvals.errors import BadSetting
from sayso.approvals.inspecting import Anchored, Inspection, Wrong
from sayso.approvals.linking import Line, Link, LinkKeys, Mark, UnknownLinkKey, Withheld, read_link_keys

KEYS, OTHER = LinkKeys([b"a" * 32]), LinkKeys([b"b" * 32])
START = Mark(partition=3)
AT = datetime(2030, 1, 1, 12, tzinfo=UTC)


def a_line(number: int, **changed: object) -> Line:
    entry = {
        "event": "voted",
        "by": "bo",
        "words": f"Line {number}",
        "facts": {"digest": "d1", "via": "slack:T/U"},
    }
    return Line(
        partition=3, number=number, at_ms=1000 + number, thread="t1", request="03-r", entry={**entry, **changed}
    )  # fmt: skip


def as_if(**changed: object) -> dict[str, object]:
    """Another entry in the fifth line."""
    return {"entry": {**dict(a_line(5).entry or {}), **changed}}


def a_trail(count: int = 9, keys: LinkKeys = KEYS) -> list[Line]:
    lines = [a_line(number) for number in range(1, count + 1)]
    return [replace(line, link=link) for line, link in zip(lines, keys.linked(START, lines), strict=True)]


def inspected(
    lines: Sequence[Line], keys: LinkKeys = KEYS, *, head: int = 9, anchors: Sequence[Anchored] = ()
) -> Inspection:
    found = Inspection(keys, START, head=head, anchors=anchors)
    for line in lines:
        found.take(line)
    found.end(head)
    return found


def anchored(lines: Sequence[Line], number: int) -> Anchored:
    link = lines[number - 1].link
    assert link is not None
    return Anchored(partition=3, number=number, link=link.text[:32], at=AT)


def test_a_trail_as_it_was_written_is_right() -> None:
    """Every link fits, and the newest ones that have none are counted as such."""
    found = inspected([*a_trail(), a_line(10), a_line(11)])
    assert (found.faults, found.checked, found.unlinked) == ([], 9, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"at_ms": 999}, {"thread": "t2"}, {"request": "03-s"}, as_if(by="cy"),
        as_if(more=""), as_if(facts={"digest": "d1"}),
        as_if(facts={"digest": "d1", "via": Withheld("0" * 64)}),
        {"link": Link("0" * 64, KEYS.names[0])},
    ],
)  # fmt: skip
def test_nothing_of_a_record_can_be_changed(changed: dict[str, object]) -> None:
    """P20: Time, thread, request, who, a fact more or less: the record is named."""
    lines = a_trail()
    lines[4] = replace(lines[4], **changed)  # type: ignore[arg-type]
    found = inspected(lines)
    assert found.first is not None
    assert (found.first.number, found.first.wrong) == (5, Wrong.ALTERED)


def test_what_is_taken_out_put_in_or_moved_is_named() -> None:
    """The first number concerned, and whether it is missing or in the wrong place."""
    lines = a_trail()
    cases = [
        (lines[:4] + lines[5:], 5, Wrong.MISSING),
        ([*lines[:5], lines[4], *lines[5:]], 5, Wrong.OUT_OF_PLACE),
        ([*lines[:4], lines[5], lines[4], *lines[6:]], 5, Wrong.MISSING),
        (lines[:6], 7, Wrong.CUT_OFF),
        ([replace(line, link=None) if line.number == 5 else line for line in lines], 5, Wrong.UNLINKED),
    ]
    for altered, number, wrong in cases:
        first = inspected(altered).first
        assert first is not None
        assert (first.number, first.wrong) == (number, wrong)


def test_an_end_that_was_cut_off_with_its_links_is_known_from_outside() -> None:
    """Without an anchor the shorter trail is a right one; with one it is not, and its time is said."""
    lines = a_trail()
    assert inspected(lines[:6], head=6).faults == []
    first = inspected(lines[:6], head=6, anchors=[anchored(lines, 9)]).first
    assert first is not None
    assert (first.number, first.last, first.wrong) == (7, 9, Wrong.CUT_OFF)
    assert (
        str(first)
        == "partition 03, records 7 to 9: were cut off at the end (anchored 2030-01-01 12:00:00 UTC)"
    )


def test_a_trail_that_was_linked_anew_is_not_the_anchored_one() -> None:
    """Even somebody with the key cannot change what was anchored."""
    lines, forged = a_trail(), [replace(line, thread="t2") for line in a_trail()]
    links = KEYS.linked(START, forged)
    forged = [replace(line, link=link) for line, link in zip(forged, links, strict=True)]
    assert inspected(forged).faults == []
    first = inspected(forged, anchors=[anchored(lines, 6)]).first
    assert first is not None
    assert (first.number, first.wrong) == (6, Wrong.REWRITTEN)


def test_links_of_another_key_prove_nothing() -> None:
    """Not even when they name our key."""
    lines = a_trail(keys=OTHER)
    assert {fault.wrong for fault in inspected(lines).faults} == {Wrong.UNKNOWN_KEY}
    named = [replace(line, link=Link(line.link.text, KEYS.names[0])) for line in lines if line.link]
    first = inspected(named).first
    assert first is not None
    assert (first.number, first.wrong) == (1, Wrong.ALTERED)


def test_keys_are_changed_while_the_trail_goes_on() -> None:
    """The first key links, any checks; the link says with which one."""
    old = a_trail(5)
    assert old[4].link is not None
    both = LinkKeys([b"b" * 32, b"a" * 32])
    mark = Mark(partition=3, number=5, link=old[4].link.text, key=old[4].link.key)
    more = [a_line(number) for number in range(6, 10)]
    lines = [
        *old,
        *(replace(line, link=link) for line, link in zip(more, both.linked(mark, more), strict=True)),
    ]
    assert lines[8].link is not None
    assert (old[4].link.key, lines[8].link.key) == (KEYS.names[0], OTHER.names[0])
    assert (inspected(lines, both).faults, inspected(lines, both).checked) == ([], 9)


def test_what_is_withheld_still_fits_its_link() -> None:
    """Name, words and a fact are gone from the line, and nothing else of it can be changed all the same."""
    lines = a_trail()
    lines[4] = KEYS.without(lines[4], [("by",), ("words",), ("facts", "via")])
    assert "bo" not in str(lines[4])
    assert inspected(lines).checked == 9
    assert lines[4].entry is not None
    lines[4] = replace(lines[4], entry={**lines[4].entry, "event": "refused"})
    assert inspected(lines).faults != []


def test_the_gap_that_was_there_when_it_was_linked_stays_visible() -> None:
    """A number without a record is linked as one, and named at every look."""
    lines = [a_line(1), Line(partition=3, number=2), a_line(3)]
    lines = [replace(line, link=link) for line, link in zip(lines, KEYS.linked(START, lines), strict=True)]
    found = inspected(lines, head=3)
    assert [(fault.number, fault.wrong) for fault in found.faults] == [(2, Wrong.MISSING)]
    assert found.checked == 2


def test_keys_of_the_environment_are_read_strictly() -> None:
    """Base64 of 32 bytes each, none twice, and no key in any message."""
    one, two = (base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
    both = read_link_keys(f" {one}, {two}")
    assert both is not None
    assert both.names == (KEYS.names[0], OTHER.names[0])
    assert read_link_keys(" ") is None
    for wrong in (f"{one},{one}", "c2hvcnQ=", f"{one},no-key-at-all"):
        with pytest.raises(BadSetting) as refused:
            read_link_keys(wrong)
        assert wrong not in str(refused.value)
    with pytest.raises(UnknownLinkKey):
        OTHER.fits("", a_trail()[0])
