"""`sayso demo --graph`: an agent of one's own in the demo's office, before there is any Slack or Teams to try it in."""

from __future__ import annotations

from pathlib import Path

import pytest
from sayso.approvals.errors import BadSetting
from sayso.bot.demo.office import opened
from sayso.bot.demo.stage import FINANCE, OPS, Stage, soon
from whole_office import quiet

EXAMPLE = "with_govern:graph"


def asked_in_slack(stage: Stage) -> set[str]:
    """The requests whose cards Bo sees where he answers."""
    seen = [one for channel in (FINANCE, OPS) for one in stage.person("bo").sees(channel)]
    return {one.metadata["event_payload"]["request"] for one in seen if one.metadata}


@pytest.mark.chaos  # an office of its own
def test_ones_own_agent_works_beside_the_demos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by its name it asks for what is not harmless, in Slack and Teams as everybody does; the demo's goes on too."""
    monkeypatch.chdir(Path(__file__).parents[2] / "examples")
    with opened(tmp_path / "demo", EXAMPLE) as office:
        stage = Stage(office, quiet())
        try:
            asked = stage.asks("yours: Dana's order 1042 arrived broken")
            request = stage.request(asked)
            assert request.ask.run.graph == "yours"
            assert request.proposal.action.tool in ("issue_refund", "send_mail")
            soon(lambda: request.id in asked_in_slack(stage), "its card")
            assert stage.request(stage.asks("refund order 1042 12.00")).ask.run.graph == "ops"
        finally:
            stage.close()


def test_an_agent_that_could_not_run_is_told_before_anything_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and nothing is left running."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSetting, match="there is no file"), opened(tmp_path / "demo", "nowhere.py:graph"):
        pass
