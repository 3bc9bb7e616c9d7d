"""What a card's words are made of: pieces of text, links, people, circles, places and times, free of any platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..approvals.people import PersonId, Place


@dataclass(frozen=True, slots=True)
class Text:
    """Words to be shown literally, whoever wrote them; each platform escapes them."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A link; its label is the true host, so that nobody is led elsewhere than they read."""

    url: str

    @property
    def host(self) -> str:
        """What people click on."""
        return self.url.removeprefix("https://").split("/")[0].split("?")[0].split("#")[0]


@dataclass(frozen=True, slots=True)
class Who:
    """A person; `name` is what people read where the platform knows no account."""

    person: PersonId
    name: str


@dataclass(frozen=True, slots=True)
class Circle:
    """An approver set whose members are spoken to (a card only names sets, it calls nobody)."""

    name: str


@dataclass(frozen=True, slots=True)
class Where:
    """A channel, thread or conversation."""

    place: Place


@dataclass(frozen=True, slots=True)
class When:
    """An instant (UTC or with zone); `words` say it where the platform cannot show the reader's own time."""

    at: datetime
    words: str


Span = Text | Link | Who | Circle | Where | When
Spans = tuple[Span, ...]


class Form(StrEnum):
    """How a row's spans are laid out."""

    WORDS = "words"  #: one running line
    QUOTE = "quote"  #: somebody else's words, set apart so that they cannot pass for ours
    VALUES = "values"  #: one `name = value` per span, each on its own line


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled line of a card. Labels are ours, never an agent's; an empty one continues the row above."""

    label: str
    spans: Spans
    form: Form = Form.WORDS


def plain(spans: Spans) -> str:
    """The spans as plain text; a link is its address."""
    return "".join(_plain(span) for span in spans)


def _plain(span: Span) -> str:
    match span:
        case Text(text):
            return text
        case Link(url):
            return url
        case Who(_, name):
            return f"@{name}"
        case Circle(name):
            return f"@{name}"
        case Where(place):
            return place_words(place)
        case When(_, words):
            return words


def place_words(place: Place) -> str:
    """A place for people elsewhere: a platform's ids tell them nothing."""
    platform, _, rest = place.partition(":")
    if not place:
        return "the command line"
    if platform == "person":
        return "a direct message"
    return f"{'a thread in ' if '/' in rest else ''}{platform.capitalize()}"
