"""What `from sayso import ...` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import sayso


@pytest.mark.parametrize("name", sayso.__all__)
def test_every_export_is_there(name: str) -> None:
    """And is what its module calls so."""
    assert getattr(sayso, name).__name__ == name
    assert name in dir(sayso)


def test_what_is_not_exported_is_an_ordinary_error() -> None:
    """Misspellings read as usual."""
    with pytest.raises(AttributeError, match="has no attribute 'Gates'"):
        sayso.Gates  # noqa: B018 reading it is the test


def test_importing_loads_nothing() -> None:
    """No framework comes with the name; below 0.3 s, the interpreter's own start included."""
    program = (
        "import sys, sayso; heavy = {'langgraph', 'pydantic', 'redis', 'httpx'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    assert time.perf_counter() - begun < 3  # generous: the machine is shared; modules are the real check
