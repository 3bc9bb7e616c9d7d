"""`sayso policy test`: a file of calls and what the policy is expected to do with each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...agent.policy import Policy
from ...agent.risk import assess
from ...agent.setting_lines import with_lines
from ...agent.setting_words import BadSettings, problems_of
from ...approvals.action import Action, Entity
from ...approvals.deadline import TtlClass
from ...approvals.errors import BadSetting
from ...approvals.risk import Dimension
from ..settings import load_settings
from .policy_explained import action_of
from .terminal import console

_Level = Literal["low", "medium", "high"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Expected(_Strict):
    oversight: Literal["gate", "watch", "free"] | None = None
    irreversibility: _Level | None = None
    blast_radius: _Level | None = None
    compliance: _Level | None = None
    confidence: _Level | None = None
    route: str | None = None
    ttl_class: TtlClass | None = None
    flags: tuple[str, ...] = ()


class _Target(_Strict):
    kind: str
    id: str
    name: str = ""
    facts: dict[str, str] = {}


class _Case(_Strict):
    name: str = ""
    tool: str
    args: dict[str, Any] = {}
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    category: str = ""
    targets: tuple[_Target, ...] = ()
    expect: _Expected

    @property
    def action(self) -> Action:
        targets = [Entity(one.kind, one.id, name=one.name, facts=one.facts) for one in self.targets]
        return action_of(
            self.tool, self.args, confidence=self.confidence, category=self.category, targets=targets
        )


class _Cases(_Strict):
    cases: tuple[_Case, ...] = Field(min_length=1)


def run_cases(file: Path | None, cases: Path) -> int:
    """Print a line for each case; 1 if any turned out otherwise, else 0. Raises: BadSetting."""
    policy, out, wrong = load_settings(file).policy, console(), 0
    for number, case in enumerate(_read(cases).cases, 1):
        otherwise = list(_otherwise(case, policy))
        wrong += bool(otherwise)
        out.print(f"{'WRONG' if otherwise else 'ok':<6} {case.name or f'case {number}: {case.tool}'}")
        for words in otherwise:
            out.print(f"         {words}")
    said = (
        f"{wrong} of {number} cases turned out otherwise" if wrong else f"All {number} cases are as expected"
    )
    out.print(f"{said} (policy {policy.version}).")
    return 1 if wrong else 0


def _read(path: Path) -> _Cases:
    try:
        text = path.read_text(encoding="utf-8")
        return _Cases.model_validate(tomllib.loads(text))
    except OSError as error:
        raise BadSetting(f"The cases {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"The cases {path} are not TOML: {error}.") from error
    except ValidationError as error:
        problems = with_lines(problems_of(error, _Cases), text)
        raise BadSetting(f"{path}: {BadSettings(problems)}") from error


def _otherwise(case: _Case, policy: Policy) -> Iterator[str]:
    """What the policy does otherwise, a sentence each."""
    action, expected = case.action, case.expect
    found = assess(action, policy)
    levels: Mapping[str, str] = {one.dimension.name.lower(): one.level.name.lower() for one in found.findings}
    reasons = {one.dimension.name.lower(): one.reason for one in found.findings}
    if expected.oversight not in (None, found.oversight.value):
        yield f"oversight is {found.oversight}, not {expected.oversight}: {' '.join(found.reasons)}"
    for name in (one.name.lower() for one in Dimension):
        if (wanted := getattr(expected, name)) not in (None, levels[name]):
            yield f"{name} is {levels[name]}, not {wanted}: {reasons[name]}"
    if expected.route not in (None, route := policy.route_for(action).name):
        yield f"route is {route}, not {expected.route}"
    if expected.ttl_class not in (None, kind := policy.ttl_class_for(action)):
        yield f"ttl_class is {kind}, not {expected.ttl_class}"
    for flag in expected.flags:
        if flag not in found.flags:
            yield f"the flag {flag!r} is not there: {', '.join(found.flags) or 'no flags'}"
