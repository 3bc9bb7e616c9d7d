"""State comes back as it was, holds only allowed types, and never a credential."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt, Send
from pydantic import BaseModel, SecretStr
from sayso.agent.secrets import LiveTokens
from sayso.agent.serializer import StateSerializer, TokenInState, UnfitState, UnknownType
from sayso.approvals.action import Action, Entity, Evidence
from sayso.approvals.credential import CredentialRef
from sayso.approvals.looks import TokenKind, looks_like_token

A_GITHUB_TOKEN = "ghp_" + "a1B2" * 9


class Mood(StrEnum):
    CALM = "calm"


class Order(BaseModel):
    number: int
    note: str = ""


@dataclass
class Stranger:
    number: int


@dataclass(frozen=True)
class Basket:
    orders: tuple[Order, ...]
    mood: Mood | None = None


def an_action(*, reasoning: str = "The parcel arrived broken.") -> Action:
    return Action(
        tool="issue_refund",
        arguments={"order": 1042, "amount": "129.90"},
        goal="Settle the complaint",
        summary="Refund 129.90 USD",
        reasoning=reasoning,
        targets=(Entity("order", "1042", facts={"paid": "129.90 USD"}),),
        evidence=(Evidence("customer's message"),),
        credential=CredentialRef(provider="entra", subject="ops-agent", scopes=("refunds",)),
    )


def there_and_back(serializer: StateSerializer, value: object) -> object:
    return serializer.loads_typed(serializer.dumps_typed(value))


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
    | st.decimals(allow_nan=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.timedeltas()
    | st.uuids()
)
states = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc", max_size=3) | st.integers(-9, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(states)
def test_every_value_comes_back_as_it_was(state: object) -> None:
    """Decimal, datetime, date, timedelta, UUID, int keys: nothing is rounded, renamed or lost."""
    back = there_and_back(StateSerializer(), state)
    assert back == state
    assert type(back) is type(state)


def test_what_the_format_changes_is_known() -> None:
    """A tuple becomes a list, and a UUID used as a key becomes text: nodes must not rely on more."""
    key = uuid.uuid4()
    assert there_and_back(StateSerializer(), {"pair": (1, 2), key: 1}) == {"pair": [1, 2], str(key): 1}


def test_an_action_comes_back_equal_and_hashable() -> None:
    """A dataclass field declared as a tuple is a tuple again, so that records compare and hash as before."""
    back = there_and_back(StateSerializer([Action]), an_action())
    assert back == an_action()
    assert isinstance(back, Action)
    assert isinstance(hash(back.credential), int)


def test_types_bring_the_types_of_their_fields_along() -> None:
    """Allowing a dataclass allows the models and enums its fields are declared as."""
    basket = Basket(orders=(Order(number=7),), mood=Mood.CALM)
    back = there_and_back(StateSerializer([Basket]), basket)
    assert back == basket
    assert isinstance(back, Basket)
    assert back.mood is Mood.CALM


def test_messages_and_langgraph_types_are_always_allowed() -> None:
    """What LangGraph itself puts into state needs no listing."""
    state = [
        AIMessage("hi", tool_calls=[{"name": "refund", "args": {"order": 1}, "id": "c1"}]),
        HumanMessage(content=[{"type": "text", "text": "hello"}]),
        ToolMessage("done", tool_call_id="c1"),
        Send("act", {"order": 1}),
        Interrupt(value={"type": "approval"}, id="i1"),
    ]
    assert there_and_back(StateSerializer(), state) == state


@pytest.mark.parametrize("state", [Stranger(1), {"a": [Stranger(1)]}, Basket(orders=()), Mood.CALM, object()])
def test_an_unknown_type_is_refused_before_it_is_written(state: object) -> None:
    """Otherwise the pause would be written and could never be resumed."""
    with pytest.raises(UnknownType, match=r"add it to the types|not msgpack serializable"):
        StateSerializer([Action]).dumps_typed(state)


def test_an_unknown_type_is_refused_when_read() -> None:
    """LangGraph's own reader turns it into a plain mapping and logs; a run would go on from something else."""
    written = JsonPlusSerializer().dumps_typed({"order": Stranger(1)})
    with pytest.raises(UnknownType, match="Stranger"):
        StateSerializer().loads_typed(written)


def test_a_class_that_no_longer_fits_its_state_raises() -> None:
    """A field renamed by a deploy: LangGraph's reader would hand the node a mapping instead of the record."""
    name = ("sayso.approvals.credential", "CredentialRef")
    body = ormsgpack.packb(ormsgpack.Ext(2, ormsgpack.packb([*name, {"vendor": "entra"}])))
    with pytest.raises(UnknownType, match=r"CredentialRef.*vendor"):
        StateSerializer([CredentialRef]).loads_typed(("msgpack", body))


@pytest.mark.parametrize("kind", ["pickle", "json"])
def test_nothing_but_msgpack_is_read(kind: str) -> None:
    """Whoever can write to Redis must not run code here."""
    with pytest.raises(UnknownType, match="never read"):
        StateSerializer().loads_typed((kind, b"cos\nsystem\n(S'true'\ntR."))


def test_langgraphs_strict_mode_adds_a_graphs_schemas() -> None:
    """`with_msgpack_allowlist` keeps the checks and the live tokens."""
    live = LiveTokens()
    live.remember("an opaque token 0001")
    widened = StateSerializer(live=live).with_msgpack_allowlist([Stranger])
    assert there_and_back(widened, Stranger(1)) == Stranger(1)
    with pytest.raises(TokenInState):
        widened.dumps_typed("it is an opaque token 0001.")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJncmFwaCJ9.c2lnbmF0dXJl", TokenKind.WEB),
        ("token=eyJhbGciOiJkaXIiLCJlbmMiOiJB.abc.def.ghi.jkl", TokenKind.WEB),
        ("xoxb-12345-67890-abcdef", TokenKind.SLACK),
        ("xoxe.xoxp-1-abcdefghijk", TokenKind.SLACK),
        ("xapp-1-A0123-4567-abc", TokenKind.SLACK),
        ("see https://hooks.slack.com/services/T0/B0/abcdefgh1234", TokenKind.SLACK_HOOK),
        (A_GITHUB_TOKEN, TokenKind.GITHUB),
        ("github_pat_" + "a1B2_" * 8, TokenKind.GITHUB),
        ("glpat-abcdefghij0123456789", TokenKind.GITLAB),
        ("key: sk-proj-abcdefghij0123456789", TokenKind.API_KEY),
        ("AKIAABCDEFGHIJKLMNOP", TokenKind.AWS),
        ("ya29.a0AfH6SMBabcdefghijk", TokenKind.GOOGLE),
        ("pat-na1-12345678-1234-1234-1234-123456789abc", TokenKind.HUBSPOT),
        ("sk_" + "live_abcdefghij012345", TokenKind.STRIPE),
        ("Authorization: Bearer abcdef0123456789abcdef", TokenKind.BEARER),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", TokenKind.PRIVATE_KEY),
        ("-----BEGIN PRIVATE KEY-----", TokenKind.PRIVATE_KEY),
        (
            "SG." + "a1B2c3D4e5F6g7H8i9J0kL." + "m1N2o3P4q5R6s7T8u9V0w1X2y3Z4a5B6c7D8e9F0gHi",
            TokenKind.SENDGRID,
        ),
        ("GOCSPX-abcdefghij0123456789AB", TokenKind.GOOGLE),
        ("authorization: Basic dXNlcjpwYXNzMXdvcmQy", TokenKind.BASIC),
        ("https://x.example/cb?next=%2F%3Ftoken%3Dglpat-abcdefghij0123456789", TokenKind.GITLAB),
        (r'{"said": "line one\nglpat-abcdefghij0123456789"}', TokenKind.GITLAB),
    ],
)
def test_tokens_are_known_by_their_looks(text: str, kind: TokenKind) -> None:
    """S22: each kind is recognised alone and inside other text, and refused in the state."""
    assert looks_like_token(text) is kind
    assert looks_like_token(f"the answer was ({text})") is kind
    with pytest.raises(TokenInState, match=kind.value):
        StateSerializer().dumps_typed({"answer": f"({text})"})


@pytest.mark.parametrize(
    "text",
    [
        "The bearer of this letter may enter the building at any time.",
        "risk-based task-1 desk-top ask-me-anything-about-the-new-office",
        "xoxo, grandma",
        "order 1042 paid 129.90 USD, SHA 3f786850e387550fdab836ed7e6dc881de23001b",
        "https://shop.example/orders/1042?tab=history&from=2024-01-01",
        "dispatch-na1-warehouse",
        "eyJust kidding",
        "/docs/sk-2024-quarterly-report-final and /sk-internationalisation-bundle",
        "bearer certificate-2024-000123, Basic membership renewal, ASIAPACIFICHEADQUARTERS",
        "2f1c1f0e-5d3b-4a53-9a51-0c2b6f6f3f10",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    ],
)
def test_ordinary_words_are_not_tokens(text: str) -> None:
    """A false alarm would stop an agent for nothing."""
    assert looks_like_token(text) is None
    StateSerializer().dumps_typed([text])


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"messages": ["", "", "", AIMessage(A_GITHUB_TOKEN)]}, "messages[3].content"),
        (AIMessage("", additional_kwargs={"headers": {"x": A_GITHUB_TOKEN}}), "additional_kwargs.headers.x"),
        (an_action(reasoning=A_GITHUB_TOKEN), "reasoning"),
        ({"order 7": [b"\xff" + A_GITHUB_TOKEN.encode()]}, "['order 7'][0]"),
        ({A_GITHUB_TOKEN: 1}, "(key)"),
        ({"who": {frozenset([A_GITHUB_TOKEN])}}, "who[0][0]"),
    ],
)
def test_the_refusal_names_the_place_and_never_the_token(state: object, path: str) -> None:
    """Messages, models, dataclasses, bytes, keys and errors are all searched."""
    with pytest.raises(TokenInState, match="put a CredentialRef there") as refusal:
        StateSerializer([Action]).dumps_typed(state)
    assert refusal.value.path == path
    assert A_GITHUB_TOKEN not in str(refusal.value)


def test_an_error_is_kept_without_its_tokens() -> None:
    """What broke off is told; that a library quoted a header in it must not hide that."""
    live = LiveTokens()
    live.remember("a quiet opaque token 0001")
    error = RuntimeError(f"401 for {A_GITHUB_TOKEN}, then for a quiet opaque token 0001")
    kept = there_and_back(StateSerializer(live=live), error)
    assert (
        kept
        == "RuntimeError('401 for (withheld: a GitHub token), then for (withheld: a token that is in use)')"
    )


def test_a_hidden_secret_is_refused() -> None:
    """LangGraph would write a SecretStr in clear."""
    with pytest.raises(UnfitState, match="SecretStr"):
        StateSerializer().dumps_typed({"password": SecretStr("hunter2")})


@given(
    before=st.text(max_size=30),
    after=st.text(max_size=30),
    length=st.integers(16, 200),
    seed=st.integers(0, 999),
)
def test_a_live_token_is_found_wherever_it_stands(before: str, after: str, length: int, seed: int) -> None:
    """What the broker handed out is recognised inside any text, though it looks like nothing."""
    token = (f"{seed:03d}-quiet-looking-opaque-" * 9)[:length]
    live = LiveTokens()
    live.remember(token)
    assert live.occur_in(f"{before}{token}{after}".encode(errors="replace"))
    assert not live.occur_in(f"{before}{token[:-1]}".encode(errors="replace"))


def test_live_tokens_are_not_kept_in_clear() -> None:
    """Only hashes and the first bytes stay in memory; a token too short to recognise is refused."""
    live = LiveTokens()
    live.remember("start-of-it-and-the-secret-rest")
    assert "secret-rest" not in repr(vars(live))
    with pytest.raises(ValueError, match="at least 16"):
        live.remember("short")


def test_the_oldest_live_tokens_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list does not grow for ever."""
    monkeypatch.setattr("sayso.agent.secrets.MOST_TOKENS", 2)
    live = LiveTokens()
    for number in range(3):
        live.remember(f"{number} is an opaque token")
    assert [live.occur_in(f"{number} is an opaque token".encode()) for number in range(3)] == [
        False,
        True,
        True,
    ]


def test_looking_for_tokens_costs_little() -> None:
    """20 KB of messages, 100 live tokens; the best of many, because the machine is shared."""
    live = LiveTokens()
    for number in range(100):
        live.remember(f"{number:04d}-{uuid.uuid4()}")
    state = {"messages": [HumanMessage("the risk-based task-1 asks for " * 33) for _ in range(20)]}
    ours, plain = StateSerializer(live=live), JsonPlusSerializer()
    assert len(ours.dumps_typed(state)[1]) > 20_000
    assert (
        _best(lambda: ours.dumps_typed(state)) - _best(lambda: plain.dumps_typed(state)) < 0.01
    )  # seconds; measured 0.5 ms, and a busy machine is no fault


def _best(work: object) -> float:
    assert callable(work)
    best = math.inf
    for _ in range(30):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def test_dates_and_amounts_of_one_real_pause() -> None:
    """The values that other Redis savers turn to zero or text."""
    state = {
        "amount": Decimal("1250.10"),
        "grace": timedelta(hours=4),
        "due": datetime(2030, 1, 1, 12, tzinfo=UTC),
        "day": date(2030, 1, 1),
        7: "x",
    }
    assert there_and_back(StateSerializer(), state) == state
