"""An agent that is careless with every credential: none of them stands anywhere afterwards, and people are told in words."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from leaks import PIECE, everything, leaks
from page_client import browsing
from sayso.approvals.people import PersonId, Place
from sayso.approvals.request import OutcomeKind, Request, Run, State
from sayso.approvals.verdict import ThreadId
from sayso.bot.demo.hands import Hands
from sayso.bot.demo.page import opened_page
from sayso.bot.demo.stage import OPS, SUPPORT, Stage, soon
from tokens import CANARIES
from whole_office import restarted

GRAPHS = """
[graphs]
leaky = "leaky_agent:graph"
"""
#: What each goal leads to: an end that people decided about, or one that the guard brought about.
ASKED = {"returns": OutcomeKind.EXECUTED, "refuses": OutcomeKind.FAILED, "tells": OutcomeKind.EXECUTED}
ENDED = ("reasons", "names", "crashes")


@pytest.fixture(scope="module")
def lived(stage: Stage) -> Stage:
    """An office in which the careless agent has done all it can."""
    file = stage.office.folder / "sayso.toml"
    file.write_text(file.read_text().replace("\n[graphs]\n", GRAPHS))
    worker = stage.office.worker
    worker._env["LEAKY_CANARIES"] = json.dumps([*CANARIES.values()])
    worker._env["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[1] / "support"), os.environ.get("PYTHONPATH", "")]
    )
    restarted(worker)
    return stage


def asked(stage: Stage, way: str) -> Run:
    """Alex asks for it in #support, and quotes every credential there is."""
    said = stage.work.run(stage.person("alex").says(SUPPORT, f"please {way}"))
    run = Run(
        thread=ThreadId(f"leaky-{way}-{secrets.token_hex(3)}"), graph="leaky", asked_by=PersonId("alex"),
        origin=Place(f"slack:{said.channel}/{said.ts}"), goal=f"{way} {' '.join(CANARIES.values())}"[:2000],
    )  # fmt: skip
    assert stage.wait(stage.store.start(run))
    return run


def reports(stage: Stage) -> str:
    """Whatever the bot has said in #support."""
    return "\n".join(m.text_as_seen() for m in stage.work.slack.workspace.messages)


def decided(stage: Stage, way: str) -> Request:
    run = asked(stage, way)
    card = stage.card(OPS, f"which {way}", within=60)
    (request,) = [one for one in stage.wait(stage.store.live()) if one.ask.run.thread == run.thread]
    stage.work.run(stage.person("bo").clicks(card, "Details"))
    stage.work.run(stage.person("bo").clicks(card, "Approve"))
    soon(lambda: stage.now(request).state is State.CLOSED, "it is closed", seconds=60)
    stage.shows(card, "Outcome", within=60)
    return stage.now(request)


def looks_at(request: Request, state: dict[str, Any]) -> bool:
    """Whether the page's panels are about this request."""
    return bool(state["panels"]["audit"]["selected"] == request.id)


async def shown_on_the_page(stage: Stage, requests: list[Request]) -> str:
    """Each state that the demo's page streams to somebody who looks at one request after the other."""
    shown = []
    with opened_page(stage.office, Hands()) as page:
        async with browsing(page) as browser:
            for request in requests:
                async with browser.tab("bo", request.id) as tab:
                    await tab.until(partial(looks_at, request), timeout=60)
                    shown += tab.seen
    return json.dumps(shown, ensure_ascii=False)


def test_none_of_them_stands_anywhere(lived: Stage) -> None:
    """S22 P11: results, headers, errors, logs, goals, names, reasons, last words: not in the store, its file, a log, a card, the page."""
    requests = []
    for way, kind in ASKED.items():
        requests.append(ended := decided(lived, way))
        assert ended.outcome is not None
        assert ended.outcome.kind is kind
    runs = [asked(lived, way) for way in ENDED]
    soon(lambda: not lived.wait(lived.store.unfinished()), "every run has ended", seconds=120)
    soon(lambda: reports(lived).count("was given up") >= len(ENDED) + 1, "each requester is told", seconds=60)
    assert "reasoning holds a JSON web token" in reports(lived)
    assert "put a CredentialRef there" in reports(lived)
    assert "targets[0].facts.key holds" in reports(lived) or "targets[0].name holds" in reports(lived)
    tokens = {f"access token {n}": one.token for n, one in enumerate(lived.work.tokens.issued)}
    looked_for = {name: secret.split(" ")[-1] for name, secret in CANARIES.items() if name != "a private key"}
    looked_for["a private key"] = CANARIES["a private key"].split("\n")[3]
    assert all(len(secret) >= PIECE for secret in looked_for.values())
    assert leaks(lived, {**looked_for, **tokens}) == []
    page = asyncio.run(shown_on_the_page(lived, requests))
    assert "Leak, which refuses" in page
    assert "(withheld: a GitHub token)" in page
    assert [name for name, one in {**looked_for, **tokens}.items() if one[:PIECE] in page] == []
    places = {place.split(" ")[0] for place, _ in everything(lived)}
    assert {"Redis", "worker.log", "Slack's", "Teams'"} <= places
    assert (lived.office.folder / "worker.log").read_text().count("(withheld: a GitHub token)") > 0
    assert all(lived.wait(lived.store.run(run.thread)) for run in runs)
