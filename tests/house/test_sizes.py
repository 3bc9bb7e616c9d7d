"""How long a file and a function may be, and that a file says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("approvals", "agent", "cards", "scheduler", "bot", "sandbox", "tests", "examples", "bench", ".ci")
FILE_LINES = 400
FUNCTION_LINES = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    """Every Python file of the project, in order."""
    return [
        ROOT / "__init__.py",
        *(file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py"))),
    ]


def complaints(source: str) -> list[str]:
    """What is too long in a file, and a missing first sentence."""
    lines, tree = source.count("\n") + 1, ast.parse(source)
    found = [f"{lines} lines, at most {FILE_LINES}"] if lines > FILE_LINES + 1 else []
    if tree.body and ast.get_docstring(tree) is None:
        found.append("does not open with a sentence that says what lives here")
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                found.append(f"line {node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}")
    return found


def test_files_and_functions_stay_readable() -> None:
    """A file fits one sitting, a function fits one look."""
    found = [
        f"{file.relative_to(ROOT)}: {complaint}"
        for file in python_files()
        for complaint in complaints(file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        '"""Too long a file."""\n' + "x = 1\n" * FILE_LINES,
        '"""Too long a function."""\ndef f():\n' + "    x = 1\n" * FUNCTION_LINES,
        '"""Too long a method."""\nclass C:\n  async def f():\n' + "    x = 1\n" * FUNCTION_LINES,
        "import os\n",
    ],
)
def test_what_is_too_long_is_named(source: str) -> None:
    """The check can fail, one line above each limit."""
    assert complaints(source)


def test_what_just_fits_is_fine() -> None:
    """The limits themselves are allowed."""
    function = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1)
    rest = "x = 1\n" * (FILE_LINES - FUNCTION_LINES - 1)
    assert complaints(f'"""Just fits."""\n{function}{rest}') == []
