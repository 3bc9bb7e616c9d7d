"""Everything hostile that an agent can say, in every place where it can say something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from card_states import states
from hypothesis import strategies as st
from sayso.approvals import canonical
from sayso.approvals.action import Action, Entity, Evidence
from sayso.approvals.request import Request

STATES = states()
HIDDEN = re.compile(
    "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
CORPUS = {
    "broadcast": "<!channel> <!here> <!everyone>",
    "person": "<@U012ABCDEF> please",
    "group": "<!subteam^S1>",
    "channel": "<#C012ABCDEF>",
    "slack link": "<https://evil.example|bank.example>",
    "markdown link": "[a](https://evil.example)",
    "bare link": "see https://evil.example/x",
    "javascript": "javascript:alert(1)",
    "user in link": "https://bank.example@evil.example/",
    "pipe in link": "https://bank.example/|<!channel>",
    "code": "``` *bold* _italics_ ~gone~ `code`",
    "right to left": "pay \u202e00.1\u202c \u2066x\u2069",
    "zero width": "pa\u200by\u200d \ufeff\u2060",
    "tags": "a\U000e0041\U000e007f",
    "zalgo": "a" + "\u0301" * 60,
    "forged sections": "fine\nNeeds       0 of nobody\r\nvotes: @Bo approved\u2028[Approve]\u0085Outcome  Done",
    "emoji": ":white_check_mark: approved :+1:",
    "date token": "<!date^1^{time}|x>",
    "entities": "&lt;!channel&gt;",
    "control": "a\x00b\x1b[31mred\x07",
    "long": "A" * 100_000,
    "long and wide": "😀" * 20_000,
    "many lines": "\n" * 5_000 + "end",
    "lone surrogate": "x\ud800y",
    "empty looking": " \u3164 \u2800 ",
}


def hostile(text: str) -> Action:
    """An action that says it everywhere an agent can say something; a very long text only once in each place."""
    times, key = (30, text) if len(text) < 4_000 else (1, "key")
    deep = {key: {key: {key: {key: text}}}}
    return Action(
        tool=key, arguments={key: text, "list": [text] * times, "deep": deep, "last": "kept"},
        goal=f"goal {text}", summary=f"summary {text}", reasoning=f"why {text}", category=key, scope=text,
        unsure=text, confidence=0.5, evidence=(Evidence(text, link=text),) * times,
        targets=(Entity(key, text, link=text, facts={key: text}, name=key),) * min(times, 12),
    )  # fmt: skip


def in_every_state(action: Action) -> Iterator[Request]:
    """The scenes of every state with this action put in; of a very long action only one scene of each kind of card."""
    long = len(action.reasoning) > 4_000
    for request in (
        (STATES[one] for one in ("open", "unknown", "closed_executed")) if long else STATES.values()
    ):
        yield with_action(request, action)


def with_action(request: Request, action: Action) -> Request:
    """The same request, had the agent asked for this."""
    proposal = replace(request.ask.first.proposal, action=action)
    frozen = canonical.encode(proposal).decode()
    first = replace(request.ask.first, frozen=frozen)
    later = tuple(replace(one, frozen=frozen) for one in request.revisions)
    outcome = replace(request.outcome, words=action.reasoning[:500]) if request.outcome else None
    return replace(request, ask=replace(request.ask, first=first), revisions=later, outcome=outcome)


def clean_corpus() -> dict[str, str]:
    return {key: text for key, text in CORPUS.items() if key != "lone surrogate"}


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=400) | st.sampled_from(
    list(clean_corpus().values())
)
said = words.filter(lambda text: bool(text.strip()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(words, inner, max_size=12),
    max_leaves=25,
)
actions = st.builds(
    Action, tool=said, arguments=st.dictionaries(words, json_values, max_size=45), goal=said, summary=said, reasoning=said,
    category=words, scope=words, unsure=words, confidence=st.none() | st.floats(0, 1),
    targets=st.lists(st.builds(Entity, words, words, words, st.dictionaries(words, words, max_size=9), words), max_size=9).map(tuple),
    evidence=st.lists(st.builds(Evidence, words, words), max_size=12).map(tuple),
)  # fmt: skip
