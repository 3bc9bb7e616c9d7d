"""docs/promises.md lists what sayso promises, and for each promise the scenes that name it and how they ended."""

from __future__ import annotations

import os

from named_scenes import Scene, scenes
from promises_page import NAMED, NOT_KEPT, NOT_PLAYED, PAGE, PROMISE, Result, kept, renewed

#: Writes the page's lists of scenes anew, with the results it has: `SAYSO_PROMISES=write pytest tests/house/test_promises.py`.
WRITE = "SAYSO_PROMISES"
ALL = [str(number) for number in range(1, 12)] + ["11b"] + [str(number) for number in range(12, 31)]


def test_the_page_lists_the_scenes_as_they_are() -> None:
    """A scene that is renamed, added or gone changes the page; `make promises` plays them and writes the results."""
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get(WRITE) == "write":
        PAGE.write_text(renewed(page, {}), encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page, {}), f"write it anew: {WRITE}=write pytest tests/house/test_promises.py"


def test_every_promise_has_a_scene_or_says_that_it_is_not_kept() -> None:
    """In order; no scene names a promise that nobody made; nothing listed has failed."""
    promised = {
        one[1]: line for line in PAGE.read_text(encoding="utf-8").splitlines() if (one := PROMISE.match(line))
    }
    assert list(promised) == ALL
    assert [
        number for number, line in promised.items() if (NOT_KEPT in line) == (number in scenes(NAMED))
    ] == []
    assert set(scenes(NAMED)) <= set(promised)
    results = kept(PAGE.read_text(encoding="utf-8"))
    assert [
        one for one, result in results.items() if not result.words.startswith(("passed", NOT_PLAYED))
    ] == []


def test_results_stay_until_they_are_played_again() -> None:
    """Figures belong to the scene above them; what is no longer there goes, what is new says that it was not played."""
    (scene, *_) = scenes(NAMED)["1"]
    other = Scene("tests/test_gone.py", "test_gone")
    page = f"- **P1** One.\n{other.line}: passed\n    - 7 of 7\n{scene.line}: passed\n    - 3 of 3\n\nMore.\n"
    assert kept(page) == {other: Result(words="passed", figures=("7 of 7",)),
                          scene: Result(words="passed", figures=("3 of 3",))}  # fmt: skip
    again = renewed(page, {scene: Result(words="failed")})
    assert other not in kept(again)
    assert kept(again)[scene] == Result(words="failed")
    assert {result.words for found, result in kept(again).items() if found != scene} == {"not played yet"}
