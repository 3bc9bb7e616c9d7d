"""How an error of an agent's or a tool's own code is logged: its type and place, never its words or values."""

from __future__ import annotations

import traceback
from pathlib import Path

from .serializer import UnfitState


def facts_of(error: BaseException) -> dict[str, str]:
    """For a log record's `extra`; what other people's errors say may hold arguments or a token and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    at = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-5:]))
    words = {"words": str(error)} if isinstance(error, UnfitState) else {}
    return {"error": type(error).__name__, "at": at, **words}
