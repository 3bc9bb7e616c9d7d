"""A workplace on your own machine: strict stand-ins for Slack, Teams, a pager, a token service and a mailbox.

Nothing here knows the program under test: it speaks the vendors' HTTP and SMTP, on 127.0.0.1 only.
Start at `Workplace`; people are `workplace.slack.person("alex")` and, at the same time,
`workplace.teams.person("alex")`; what breaks a vendor's rule is in `workplace.violations`.
"""

from .faults import FOREVER, Delay, Dropped, Fail, Ignored, LostReply, RateLimited, Status
from .watching import NotClean, NotInTime, Violation
from .workplace import Ports, ThreadedWorkplace, Workplace

__all__ = [
    "FOREVER", "Delay", "Dropped", "Fail", "Ignored", "LostReply", "NotClean", "NotInTime", "Ports", "RateLimited",
    "Status", "ThreadedWorkplace", "Violation", "Workplace",
]  # fmt: skip
