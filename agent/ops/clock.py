"""What time it is in the back office: this machine's, or ahead of it by as much as a file says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from ..credentials import utc_now


def pushed_by(file: Path) -> Callable[[], datetime]:
    """A clock that runs ahead of this machine's by the seconds that stand in `file`, which is read at each look.

    The clock raises: OSError, ValueError, OverflowError, when the file is gone or holds no number of seconds.
    """
    return lambda: utc_now() + timedelta(seconds=float(file.read_text(encoding="ascii")))
