"""Refuses a LangGraph that is too old, before anything of it is imported: resuming exactly once needs its strict mode."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from ..approvals.errors import BadSetting

#: The oldest that is known to refuse an answer to a pause that is over.
MINIMUM = (1, 2, 22)


def check_langgraph() -> None:
    """Raises: BadSetting, one sentence."""
    wanted = ".".join(map(str, MINIMUM))
    try:
        found = version("langgraph")
    except PackageNotFoundError:
        raise BadSetting(f'LangGraph is not installed here: pip install "langgraph>={wanted}"') from None
    if tuple(map(int, re.findall(r"\d+", found)[:3])) < MINIMUM:
        raise BadSetting(
            f'sayso needs LangGraph {wanted} or newer, and here is {found}: pip install "langgraph>={wanted}"'
        )
