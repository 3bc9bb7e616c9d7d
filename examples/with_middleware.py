"""`create_agent` with LangChain's own `HumanInTheLoopMiddleware`: sayso needs no change of such an agent.

    sayso run middleware "Tell dana@example.com and the whole team that order 1042 is refunded" --as alex

The middleware asks for all calls of a turn at once and takes one answer for all. sayso makes a card of each call, draws
only the buttons that `allowed_decisions` has, and sends the answer once the last one is settled. The tools run outside
of sayso, though: it lets the agent go on at most once, and cannot say more than that it went on. `govern`
(with_govern.py) runs the tool itself, once, and knows how it ended.
"""

from __future__ import annotations

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from scripted import chat_model, turn


def send_mail(to: str, text: str) -> str:
    """Write to somebody."""
    return f"Sent to {to}: {text}"


model = chat_model(
    turn(
        "They asked to be told.",
        send_mail=[
            {"to": "dana@example.com", "text": "Order 1042 is refunded."},
            {"to": "team@example.com", "text": "Order 1042 is refunded."},
        ],
    )
)

graph = create_agent(
    model,
    [send_mail],
    system_prompt="You write mails. Say in one sentence why before you send one.",
    middleware=[
        HumanInTheLoopMiddleware({"send_mail": {"allowed_decisions": ["approve", "edit", "reject"]}})
    ],
)
