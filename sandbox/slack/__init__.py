"""A strict stand-in for Slack: Web API, signed deliveries, and people who click."""

from .courier import APP_DID_NOT_ANSWER, Answer, SignedRequest
from .forms import CannotDoThat
from .person import Person
from .results import ClickResult, SubmitResult
from .screen import Message, View
from .stand_in import Slack
from .workspace import SlackTimes

__all__ = [
    "APP_DID_NOT_ANSWER", "Answer", "CannotDoThat", "ClickResult", "Message", "Person", "SignedRequest", "Slack",
    "SlackTimes", "SubmitResult", "View",
]  # fmt: skip
