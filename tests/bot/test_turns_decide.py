"""A rotation as an approver set: whoever's turn it is decides, and only while it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from desk_scene import TWO, Scene
from sayso.approvals.errors import WhyNot
from sayso.approvals.people import PersonId
from sayso.approvals.request import State
from sayso.approvals.verdict import Rule, Seats
from sayso.bot.directory import ApproverSet
from sayso.bot.rotations import RotationFile
from scenes import FINANCE

#: From Bo to Cy at eleven, within the hours of a request that is opened at ten.
TURNS = """
zone = "UTC"
people = ["bo", "cy"]
starts = {starts:%Y-%m-%dT%H:%M:%S}
length = "1h"
"""


async def a_scene(folder: Path) -> Scene:
    """Bo is on call for half an hour more, then Cy for an hour; Di is there for gaps."""
    scene = Scene()
    starts = await scene.store.now() - timedelta(minutes=30)
    (folder / "oncall.toml").write_text(TURNS.format(starts=starts))
    turns = RotationFile(folder / "oncall.toml", {"bo": "Bo", "cy": "Cy"})
    listed = {"seniors": "di", "security": "kim", "on-call": "kim", "supervisors": ""}
    scene.sets = {
        **{name: ApproverSet(people=tuple(map(PersonId, ids.split()))) for name, ids in listed.items()},
        "finance": ApproverSet(rotation=turns, fallback="seniors"),
    }
    scene.desk = scene.a_desk({})
    return scene


async def test_whoever_is_on_call_now_decides(tmp_path: Path) -> None:
    """It is looked up when somebody answers, by the store's clock."""
    scene = await a_scene(tmp_path)
    request = await scene.asks(opened_at=await scene.store.now())
    assert await scene.why(request, "cy") is WhyNot.NOT_AN_APPROVER
    scene.store.advance(timedelta(minutes=30))
    assert await scene.why(request, "bo") is WhyNot.NOT_AN_APPROVER
    assert (await scene.approve(request, "cy", token="now")).state is State.DECIDED


async def test_a_turn_that_is_over_takes_its_vote_along(tmp_path: Path) -> None:
    """Two of whoever is on call, or of one more set: Bo's vote counts as long as Bo is on call."""
    both = replace(TWO, rule=replace(TWO.rule, approvers=("finance", "security")))
    scene = await a_scene(tmp_path)
    scene.desk = scene.a_desk({"routes": {"finance": both}})
    request = await scene.asks(route=both, opened_at=await scene.store.now())
    await scene.approve(request, "bo")
    scene.store.advance(timedelta(minutes=30))
    after = await scene.approve(request, "kim")
    assert [vote.person for vote in after.votes] == ["kim"]
    assert (await scene.approve(request, "cy")).state is State.DECIDED


async def test_a_seat_for_whoever_is_on_call(tmp_path: Path) -> None:
    """One of them and one of security: Kim is not on call and cannot sit there."""
    seats = (Seats(approvers="finance", needed=1), Seats(approvers="security", needed=1))
    route = replace(FINANCE, rule=Rule(approvers=("finance", "security"), needed=2, seats=seats))
    scene = await a_scene(tmp_path)
    scene.desk = scene.a_desk({"routes": {"finance": route}})
    request = await scene.asks(route=route, opened_at=await scene.store.now())
    assert (await scene.approve(request, "kim")).state is State.OPEN
    assert (await scene.approve(request, "bo")).state is State.DECIDED
