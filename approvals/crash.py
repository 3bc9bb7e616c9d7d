"""Named points at which a chaos test can have the process killed; they do nothing unless SAYSO_CRASH_AT names one.

In the order of a run's life, in the process that runs agents:

- start: `start-taken`, `start-before-graph`
- pause: `pause-before-open`, `pause-after-open`
- resume: `resume-taken`, `resume-claimed`, `resume-before-graph`, `resume-after-graph`, `resume-after-close`
- act: `act-verified`, `act-token`, `after-burn`, `after-tool`, `after-done`
- report: `report-before-told`, `report-corrected-told`, `report-after-told`, `before-ack`

In the process that talks to people and fires deadlines:

- ask: `ask-before-ack`
- show: `card-posted`, `card-redrawn`
- decide: `decide-before-commit`, `decide-after-commit`
- tell: `notice-said`
- page: `page-begun`, `page-triggered`, `page-resolved`
- deadline: `step-before-fired`, `step-after-fired`
- audit: `link-before-added`, `link-after-added`

Only where they are set up, runs that services start over HTTP, agents at a server of their own, and undoing:

- start: `run-before-start`, `run-after-start`
- resume: `remote-sent`, `remote-ended`
- undo: `undo-claimed`
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

#: The environment variable that names the point, or a file, as `@path`, in which it may come to stand at any time.
CRASH_AT = "SAYSO_CRASH_AT"


def crash_point(name: str) -> None:
    """Die here by SIGKILL if this is the point that was asked for; a file is removed first, so it happens once."""
    asked = os.environ.get(CRASH_AT, "")
    file = Path(asked[1:]) if asked.startswith("@") else None
    if file and file.exists():
        asked = file.read_text()
    if asked == name:
        if file:
            file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
