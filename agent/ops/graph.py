"""The bundled ops agent: plan -> gate (assess -> review -> act) -> report, over a back office that really changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from ...approvals.credential import CredentialRef
from ...approvals.errors import BadChange, BadSetting
from ...approvals.request import OutcomeKind
from ..credentials import utc_now
from ..gate import Gate, GateState
from ..outcome import GateOutcome
from .backoffice import BackOffice, Clock
from .clock import pushed_by
from .commands import Command, NotUnderstood, read_command, spell
from .diary import Diary
from .mailer import Mailer, MailRefused, SmtpSettings
from .planner import Reader, Reading, reader_from
from .proposals import Proposer
from .records import BackOfficeError
from .tools import Introspection, OpsTools

_PLAN_AGAIN = (OutcomeKind.REVISED, OutcomeKind.ANSWERED)


class OpsState(GateState, total=False):
    """What the ops agent remembers.

    Attributes:
        goal: The words it was started with.
        command: What it is about to do, in the grammar of `commands`; empty when it understood nothing.
        report: Its last words.
    """

    goal: str
    command: str
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsAgent:
    """The agent's nodes. Planning only reads; whatever changes something stands behind the gate."""

    reader: Reader
    proposer: Proposer
    diary: Diary

    async def plan(self, state: OpsState, config: RunnableConfig) -> dict[str, Any]:
        """Turn words into one action with everything a reviewer needs, or into a report of why there is none."""
        outcome = state.get("outcome")
        again = outcome if outcome and OutcomeKind(outcome["kind"]) in _PLAN_AGAIN else None
        words = again["instruction"] if again else state["goal"]
        await self.diary.note(config["configurable"]["thread_id"], words)
        try:
            if again:
                return await self._planned_again(again, state["command"])
            reading = await self.reader.read(words)
            if isinstance(reading, NotUnderstood):
                return _nothing(reading.sentence)
            return await self._planned(reading)
        except BackOfficeError as error:
            return _nothing(f"I did nothing: {error}")

    async def _planned(self, reading: Reading, doubt: str = "") -> dict[str, Any]:
        action = await self.proposer.action(reading, doubt)
        return {"command": spell(reading.command), "action": action}

    async def _planned_again(self, outcome: GateOutcome, spelled: str) -> dict[str, Any]:
        """What a reviewer wants instead; where that cannot be had, the old plan with the reason on a new card."""
        plan = read_command(spelled)
        assert isinstance(plan, Command)  # `spell` wrote it
        so_far = "as it was"
        try:
            if outcome["changes"]:  # typed values stay, also where the words beside them cannot be had
                plan = self.proposer.changed(plan.tool, outcome["arguments"], outcome["changes"])
                so_far = "with the values you changed"
            if not outcome["instruction"]:
                return await self._planned(Reading(command=plan))
            reading = await self.reader.revise(outcome["instruction"], plan)
            if not isinstance(reading, NotUnderstood):
                return await self._planned(reading)
            doubt = reading.sentence
        except (BackOfficeError, BadChange) as error:
            doubt = str(error)
        return await self._planned(Reading(command=plan), f"this is the plan {so_far}; {doubt}")


def _nothing(words: str) -> dict[str, Any]:
    """No command: the run ends with these words."""
    return {"command": "", "report": words}


def report(state: OpsState) -> dict[str, str]:
    """What happened, in plain words; a plan that came to nothing has its words already."""
    outcome = state.get("outcome")
    if outcome is None or not state["command"]:
        return {"report": state["report"]}
    if OutcomeKind(outcome["kind"]) is OutcomeKind.EXECUTED:
        return {"report": outcome["words"]}
    return {"report": f"{outcome['summary']}: not done. {outcome['words']}"}


def build(agent: OpsAgent, tools: OpsTools) -> StateGraph[Any, Any, Any, Any]:
    """The graph, ready to be compiled with a checkpointer."""
    gate = Gate(*tools.effects, on_modify="plan", on_reject="report", then="report")
    builder = StateGraph(OpsState)
    builder.add_node("plan", agent.plan)
    gate.add_to(builder)
    builder.add_node("report", report)
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", _after_plan, ["gate", "report"])
    builder.add_edge("report", END)
    return builder


def _after_plan(state: OpsState) -> str:
    return "gate" if state["command"] else "report"


def make(env: Mapping[str, str] = os.environ) -> StateGraph[Any, Any, Any, Any]:
    """The ops agent as the environment describes it; without any setting it works on a company of its own.

    `SAYSO_OPS_DATABASE` (path, default `.sayso/ops.sqlite3`), `SAYSO_OPS_BASE_URL` (of its pages),
    `SAYSO_OPS_SMTP` (host:port), `SAYSO_OPS_SENDER`, `SAYSO_MODEL` (provider:model), and where its tools need
    tokens `SAYSO_OPS_TOKEN_CHECK_URL`, `SAYSO_OPS_CA_FILE` (PEM) and `SAYSO_OPS_SCOPE`. A demo whose clock is pushed
    says in the file `SAYSO_OPS_CLOCK` by how many seconds.

    Raises: BadSetting.
    """
    database = Path(env.get("SAYSO_OPS_DATABASE") or ".sayso/ops.sqlite3")
    clock = _clock(env)
    try:
        office = BackOffice(database, env.get("SAYSO_OPS_BASE_URL") or "https://backoffice.example", clock)
    except OSError as error:
        raise BadSetting(f"SAYSO_OPS_DATABASE: {database} cannot be made ({error.strerror}).") from error
    tools = OpsTools(office=office, mailer=Mailer(_smtp(env), clock), check_token=_token_check(env))
    proposer = Proposer(office, tools.effects, _credential(env) if tools.check_token else None)
    return build(OpsAgent(reader=reader_from(env), proposer=proposer, diary=Diary(database)), tools)


def _clock(env: Mapping[str, str]) -> Clock:
    if not (file := env.get("SAYSO_OPS_CLOCK", "")):
        return utc_now
    clock = pushed_by(Path(file))
    try:
        clock()
    except (OSError, ValueError, OverflowError) as error:
        raise BadSetting(f"SAYSO_OPS_CLOCK: {file} does not say by how many seconds to be ahead.") from error
    return clock


def _token_check(env: Mapping[str, str]) -> Introspection | None:
    url, ca_file = env.get("SAYSO_OPS_TOKEN_CHECK_URL", ""), env.get("SAYSO_OPS_CA_FILE") or None
    try:
        return Introspection(url, ca_file) if url else None
    except OSError as error:
        raise BadSetting(f"SAYSO_OPS_CA_FILE: {ca_file} holds no certificates to trust.") from error


def _smtp(env: Mapping[str, str]) -> SmtpSettings:
    host, _, port = (env.get("SAYSO_OPS_SMTP") or "localhost:25").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadSetting(f"SAYSO_OPS_SMTP must be host:port, not {env['SAYSO_OPS_SMTP']!r}.")
    try:
        return SmtpSettings(
            host=host, port=int(port), sender=env.get("SAYSO_OPS_SENDER") or "ops@example.com"
        )
    except MailRefused as error:
        raise BadSetting(f"SAYSO_OPS_SENDER: {error}") from error


def _credential(env: Mapping[str, str]) -> CredentialRef:
    scope = env.get("SAYSO_OPS_SCOPE") or "api://backoffice/.default"
    return CredentialRef(provider="entra", subject="ops-agent", scopes=(scope,))
