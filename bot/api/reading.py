"""What a call says, read strictly: JSON without surprises, then the fields of the call and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from ...agent.setting_words import NAME
from ...approvals.looks import first_in
from ..body import Unreadable, body_of
from ..desk import GOAL_CHARACTERS
from .problems import Problem

#: Largest body of a call, bytes.
LARGEST = 64 * 1024
#: How long a caller may take to send it, seconds.
SENDING_SECONDS = 10.0
#: How deep objects and lists may stand in one another; our own Lua, pydantic and most graphs take more.
DEEPEST = 32
#: The longest that a call waits, seconds.
LONGEST_WAIT = 60
#: Most runs on one page.
MOST_RUNS = 100
#: Longest callback address, characters.
LONGEST_ADDRESS = 500

Body = TypeVar("Body", bound=BaseModel)
_Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Body(BaseModel):
    """A field that nobody reads is a misspelling."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StartRun(_Body):
    """A run to be started."""

    graph: str = Field(description="Name of a graph in the settings.", max_length=80)
    input: Annotated[_Said, StringConstraints(max_length=GOAL_CHARACTERS)] | dict[str, Any] = Field(
        description="What the agent should do, in words; or an object, which the graph is given as it is."
    )
    asked_by: str | None = Field(
        default=None, max_length=80,
        description="Id of the person who asks, where this key may act for them; they may not approve it.",
    )  # fmt: skip
    thread: str | None = Field(
        default=None, pattern=f"^{NAME.pattern}$",
        description="A name of yours for the run: the same again joins it instead of starting another.",
    )  # fmt: skip
    wait: int = Field(
        default=0,
        ge=0,
        le=LONGEST_WAIT,
        description="Seconds to wait until it has ended or waits for people.",
    )
    callback: str | None = Field(
        default=None, max_length=LONGEST_ADDRESS,
        description="https address that is told, signed, each time the run waits for people, and of its end.",
    )  # fmt: skip

    @property
    def digest(self) -> str:
        """Of what would be started; how long somebody waits for it makes no difference."""
        said = self.model_dump(exclude={"wait"})
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Withdraw(_Body):
    """Why something is taken back."""

    why: Annotated[_Said, StringConstraints(max_length=300)] = Field(
        description="People read it on the card."
    )


class ListRuns(BaseModel):
    """Which runs are listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["open"] = Field(description="“open”: those that have not ended.")
    limit: int = Field(default=20, ge=1, le=MOST_RUNS, description="Runs on a page.")
    after: str = Field(default="", max_length=400, description="Id of the last run of the page before.")


def read_query(request: Request, kind: type[Body]) -> Body:
    """What stands behind the question mark. Raises: Problem."""
    said = request.query_params.multi_items()
    if len(dict(said)) != len(said):
        raise Problem(422, "The address names one thing twice.")
    try:
        return kind.model_validate(dict(said))
    except ValidationError as error:
        raise Problem(422, _first(error)) from None


async def read(request: Request, kind: type[Body]) -> Body:
    """The call's body. Raises: Problem."""
    try:
        async with asyncio.timeout(SENDING_SECONDS):
            raw = await body_of(request, kind="application/json", largest=LARGEST)
    except TimeoutError:
        raise Problem(408, f"The body did not come within {SENDING_SECONDS:.0f} seconds.") from None
    except Unreadable as no:
        words = {413: f"The body has more than {LARGEST} bytes.", 415: "The body must be application/json."}
        raise Problem(no.status, words.get(no.status, "The body cannot be read.")) from None
    said = parsed(raw)
    if (found := first_in(said)) is not None:
        where, what = found
        raise Problem(422, f"{where[:80] or 'body'}: it holds {what.value}, and no credential is taken here.")
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        raise Problem(422, _first(error)) from None


def parsed(raw: bytes) -> Any:
    """JSON (RFC 8259) that means the same to every reader. Raises: Problem."""
    try:
        value = json.loads(
            raw.decode(), parse_constant=_no_constant, parse_int=_whole, parse_float=_finite, object_pairs_hook=_once
        )  # fmt: skip
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode()  # half a character, which no record can hold
    except UnicodeError:
        raise Problem(400, "The body must be UTF-8, and every character in it whole.") from None
    except RecursionError:
        raise Problem(400, _DEEP) from None
    except ValueError as error:
        words = str(error) if isinstance(error, _Odd) else "The body is not JSON."
        raise Problem(400, words) from None
    return value


_DEEP = f"Objects and lists may stand at most {DEEPEST} deep in one another."


class _Odd(ValueError):
    """JSON that readers understand differently."""


def _no_constant(name: str) -> NoReturn:
    raise _Odd(f"{name} is not a number of JSON.")


def _whole(text: str) -> int:
    if len(text) > 19 or not -(2**63) <= int(text) < 2**63:
        raise _Odd("A whole number must fit into 64 bits; write a longer one as text.")
    return int(text)


def _finite(text: str) -> float:
    if len(text) > 40 or math.isinf(number := float(text)):
        raise _Odd("A number is longer than any that can be kept; write it as text.")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd("An object names one key twice.")
    return found


def _check_depth(value: Any) -> None:
    level, left = 0, [value]
    while left := [
        inner for one in left if isinstance(one, dict | list)
        for inner in (one.values() if isinstance(one, dict) else one)
    ]:  # fmt: skip
        level += 1
        if level > DEEPEST:
            raise _Odd(_DEEP)


def _first(error: ValidationError) -> str:
    """The first mistake, as "wait: Input should be less than or equal to 60"; what was sent is not quoted."""
    one = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = str(one["loc"][0])[:40] if one["loc"] else "body"
    return f"{where}: {one['msg'].rstrip('.')}."
