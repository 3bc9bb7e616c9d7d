"""A strict stand-in for Teams: Bot Connector, signed deliveries, Graph, and people who click."""

from ..slack.forms import CannotDoThat
from .connector import Call
from .courier import Answer, Delivery
from .person import Client, Person
from .results import BOT_DID_NOT_ANSWER, ClickResult, SubmitResult
from .screen import Dialog, Message
from .stand_in import Teams
from .tenant import TeamsTimes

__all__ = [
    "BOT_DID_NOT_ANSWER", "Answer", "Call", "CannotDoThat", "ClickResult", "Client", "Delivery", "Dialog",
    "Message", "Person", "SubmitResult", "Teams", "TeamsTimes",
]  # fmt: skip
