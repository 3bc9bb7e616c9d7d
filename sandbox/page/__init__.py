"""The workplace as a page to click in: each person's view of it as JSON, and what they do as acts.

Start at `Page`; what a program wants to show beside the chats it hands over as `Panel`s.
"""

from .page import Page
from .panel import Panel

__all__ = ["Page", "Panel"]
