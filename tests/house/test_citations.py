"""Comments say their reason themselves: whoever reads the code has no other document to look it up in."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("agent", "approvals", "bot", "cards", "scheduler")

#: A paragraph or a numbered rule of some document; a public standard may be cited.
ELSEWHERE = re.compile(r"(?<!RFC \d{4} )§|\bguide S\d|\bfacts/|\b(design|promises|style)\.md\b")


def cited(text: str) -> list[str]:
    """The lines that send a reader elsewhere."""
    return [line.strip() for line in text.splitlines() if ELSEWHERE.search(line)]


def test_no_comment_sends_its_reader_to_a_document_that_is_not_here() -> None:
    """Not even to one that its author has at hand."""
    found = [
        f"{file.relative_to(ROOT)}: {line}"
        for folder in CODE
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in cited(file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_a_citation_is_found() -> None:
    """The check can fail, and a public standard may be named."""
    assert cited("#: Ten minutes (design §4.5).")
    assert cited("# see guide S7")
    assert cited("# refused (RFC 6749 §5.2)") == []
