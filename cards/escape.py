"""Make untrusted text harmless: invisible characters out, cut per value, and dead in Slack's mrkdwn."""

from __future__ import annotations

import re
import unicodedata

from ..approvals.looks import withheld

#: Invisible although Unicode calls them letters, symbols or marks: fillers, blanks, variation selectors.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    *map(chr, range(0x180B, 0x1810)), *map(chr, range(0xFE00, 0xFE0E)), *map(chr, range(0xE0100, 0xE01F0)),
}  # fmt: skip
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
#: Bidirectional controls and tag characters: nobody types them by accident.
_DECEPTIVE = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_MRKDWN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "`": "\u02cb", "~": "\u223c"})
_EMOJI_CODE = re.compile(r":(?![0-9]{2}:)(?=[\w+'-]{1,100}:)")  # 12:30:45 is a time
_EDGE_OF_ITALICS = re.compile(r"(?<!\w)_|_(?!\w)")
_MARKS_IN_A_ROW = 3


def clean(text: str) -> str:
    """The text without tokens, control, zero-width and direction characters; any line end becomes a newline."""
    text = withheld(text)
    if text.isascii() and text.isprintable():
        return text
    return _few_marks(_LINE_ENDS.sub("\n", text).replace("\t", " ").translate(_REMOVED))


def line(text: str) -> str:
    """`clean` on one line: a newline cannot begin a line that looks like ours."""
    return " ".join(clean(text).split())


def visible(text: str) -> str:
    r"""The text with every invisible character spelled out (`\u202e`), so that nothing but a token is hidden and nothing lost."""
    text = withheld(text)
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_SPELLED)


def deceives(text: str) -> bool:
    """Whether it holds characters that make people read something else than what is there."""
    return bool(_DECEPTIVE.search(text))


def size(text: str) -> int:
    """Length as Slack counts it at its strictest: UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """At most `limit` units of the text, saying so when something is missing."""
    if size(text) <= limit:
        return text
    mark = f"… (cut; {len(text):,} characters)" if limit >= 60 else "…"
    return _head(text, limit - size(mark)) + mark


def chunks(text: str, limit: int) -> list[str]:
    """The whole text in pieces of at most `limit` units, broken at line ends where that costs little."""
    pieces, at = list[str](), 0
    while True:
        piece = _head(text[at : at + limit], limit)
        if at + len(piece) >= len(text):
            return [*pieces, piece]
        newline = piece.rfind("\n", len(piece) // 2) + 1
        pieces.append(piece[:newline] if newline else piece)
        at += len(pieces[-1])


def mrkdwn(text: str) -> str:
    """Cleaned text that is dead inside Slack's mrkdwn: no mention, link, emphasis, code or emoji code survives."""
    dead = _EMOJI_CODE.sub("\ua789", clean(text).replace("://", "[:]//"))
    return _EDGE_OF_ITALICS.sub("\uff3f", dead).translate(_MRKDWN)


def unescaped(text: str) -> str:
    """What a person typed, out of the text of a Slack event."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def https(url: str) -> bool:
    """Whether it is a plain https address that may become a link."""
    return len(url) <= 2000 and bool(
        re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d{1,5})?([/?#][!-;=?-~]*)?", url)
    )


def _few_marks(text: str) -> str:
    """The text without towers of combining marks, which would cover the lines around it."""
    marks = {char for char in set(text) if unicodedata.category(char) in ("Mn", "Me")}
    if not marks:
        return text
    run = (
        f"([{re.escape(''.join(sorted(marks)))}]{{{_MARKS_IN_A_ROW}}})[{re.escape(''.join(sorted(marks)))}]+"
    )
    return re.sub(run, r"\1", text)


def _invisible(char: str) -> bool:
    return char in _BLANKS or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class _Removed(dict[int, str]):
    """A table for `str.translate` that learns each character once: 100 KB must not hold up an event loop."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = "" if chr(code) != "\n" and _invisible(chr(code)) else chr(code)
        return shown


class _Spelled(dict[int, str]):
    """The same, with what is invisible spelled out."""

    def __missing__(self, code: int) -> str:
        spelled = f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
        self[code] = shown = spelled if chr(code) != "\n" and _invisible(chr(code)) else chr(code)
        return shown


_REMOVED, _SPELLED = _Removed(), _Spelled()


def _head(text: str, units: int) -> str:
    return text.encode("utf-16-le", "surrogatepass")[: 2 * max(units, 0)].decode("utf-16-le", "ignore")
