"""How an error of an agent's or a tool's own code is logged: its type and place, and of its words what is safe."""

from __future__ import annotations

import re
import sysconfig
import traceback
from pathlib import Path

from ..approvals.looks import looks_like_token
from .serializer import UnfitState

#: Longest piece of an error's words that is logged, characters.
QUOTED = 200

#: What may be a secret without looking like a known kind of token: a long run of mixed letters and digits, something
#: called a password, or an address with a user or a query in it.
_SUSPECT = re.compile(
    r"(?=[\w+=-]*[0-9])(?=[\w+=-]*[A-Za-z])[\w+=-]{20,}"
    r"|(?i:passw|passphrase|secret|token|credential|authori[sz]ation|api.?key)\w*[\"']?\s*[=:]"
    r"|://[^\s/]*@|[?&][\w.-]+="
)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def facts_of(error: BaseException) -> dict[str, str]:
    """For a log record's `extra`: type and place, and no words but our own.

    A tool's error may quote its arguments, and the tool held a fresh token: what it says is always left out.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-5:]))
    words = {"words": str(error)} if isinstance(error, UnfitState) else {}
    return {"error": type(error).__name__, "at": at, **words}


def told_of(error: BaseException) -> dict[str, str]:
    """As `facts_of`, with the first line of what an agent's node says went wrong, for whoever mends it.

    No node is ever given a token. Still, words that might hold a secret are withheld as a whole. They may name a
    customer, so they are written to the worker's own log and nowhere else: not to the record, a card or a chat.
    """
    return {"words": safe_words(str(error)), **facts_of(error)}


def said_of(error: BaseException) -> str:
    """Why a run is given up, for whoever asked for it: our own words where its author can act on them, else the type."""
    return str(error).rstrip(".") if isinstance(error, UnfitState) else type(error).__name__


def place_of(error: BaseException) -> str:
    """Type and innermost line of the author's own code ("KeyError at agent.py:31 plan"): names of code, no values."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_LIBRARIES)]
    frame = own[-1] if own else None
    at = f" at {Path(frame.filename).name}:{frame.lineno} {frame.name}" if frame else ""
    return f"{type(error).__name__}{at}"


def safe_words(text: str) -> str:
    """The first line, cut; withheld as a whole where any of it may be a secret."""
    if looks_like_token(text) or _SUSPECT.search(text[:10_000]):
        return "(withheld: it may hold a secret)"
    line = text.partition("\n")[0][:QUOTED]
    return "".join(char if char.isprintable() else " " for char in line)
