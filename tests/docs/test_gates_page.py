"""docs/gates.md works as it is written: from a tool list to a tested policy by its own commands; its tables are the code's."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from sayso.agent.policy import MANDATORY, Category
from sayso.agent.risk import OVERSIGHT
from sayso.bot.cli.commands import app
from sayso.bot.cli.policy_scaffold import BEGINS
from typer.testing import CliRunner

PAGE = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """What stands in its fences of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_a_newcomer_gets_from_a_tool_list_to_a_tested_policy(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of the page, in its order, with its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", redis_url)
    (agent,), (rated, cases, shadow) = blocks("python"), blocks("toml")
    begin, explained, tested, compared, advised = blocks("sh")
    (tmp_path / "helpdesk.py").write_text(agent)
    (tmp_path / "cases.toml").write_text(cases)
    settings = tmp_path / "sayso.toml"

    run(begin)
    scaffolded = settings.read_text()
    assert "Not rated yet: Pay money back to a customer." in scaffolded
    assert set(tomllib.loads(scaffolded)["tools"]) == {"find_order", "add_note", "issue_refund"}
    settings.write_text(scaffolded.partition(BEGINS)[0] + rated)

    said = run(explained)
    assert "3 tools, 1 rule, 1 route: nothing found" in said
    assert "applies large refunds amount > 500" in " ".join(said.split())
    assert "All 3 cases are as expected" in run(tested)
    assert "0 actions of the last 7 d" in run(compared)
    settings.write_text(settings.read_text() + shadow)
    assert "Nothing was changed." in run(advised)


def run(block: str) -> str:
    """What its commands print; each has to succeed. Those of sayso run in this process, which has loaded everything."""
    said = ""
    for line in block.replace("\\\n", " ").splitlines():
        words, _, file = line.partition(" >> ")
        if not words.startswith("sayso "):
            subprocess.run(["bash", "-ec", line], timeout=60, check=True)
            continue
        ran = CliRunner().invoke(app, shlex.split(words)[1:], env={"COLUMNS": "300"})
        assert ran.exception is None or ran.exit_code == 0, f"{line}\n{ran.output}{ran.exception}"
        if file:
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(ran.output)
        said += ran.output
    return said


def test_its_table_of_oversight_is_the_codes() -> None:
    """Cell by cell: what stands in a row holds for every count that it covers."""
    rows = re.findall(
        r"^\| (\d)( or more)? \| (?:(any)|(\d)( or more)?) \| \*\*(\w+)\*\*", PAGE, re.MULTILINE
    )
    covered = dict[tuple[int, int], str]()
    for high, more_high, every, medium, more_medium, word in rows:
        highs = range(int(high), 3) if more_high else [int(high)]
        mediums = range(3) if every else range(int(medium), 3) if more_medium else [int(medium)]
        covered |= {(one, other): word for one in highs for other in mediums}
    assert covered == {counts: str(oversight) for counts, oversight in OVERSIGHT.items()}


def test_its_categories_are_the_codes() -> None:
    """Those that are always put to people, and the others."""
    (named,) = re.findall(r"the category is one of these: ([^.]*)\. The others are ([^.]*)\.", PAGE)
    always, others = (set(re.findall(r"`(\w+)`", words)) for words in named)
    assert always == set(map(str, MANDATORY))
    assert others == set(map(str, Category)) - always


@pytest.mark.parametrize(
    "word",
    [
        "policy.differs",
        "policy.shadowed",
        "next policy differs",
        "readOnlyHint",
        "sayso.schema.json",
        "/readyz",
    ],
)
def test_it_names_what_people_look_for(word: str) -> None:
    """In the log, in the trail, in a file."""
    assert word in PAGE
