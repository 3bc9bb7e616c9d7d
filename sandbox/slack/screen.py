"""What people have on their screens: messages, and the modals and Home views they can fill in."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..loopback import Json
from .forms import CannotDoThat, complaint, initial_state, keeps_state, state_after, words_of
from .limits import elements_of
from .places import APP_ID, BOT_ID, TEAM_ID
from .rendering import NameOf, live_mentions, readable, text_of_blocks


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One message; the object stays the same when it is edited, so keep a `snapshot()` to compare.

    Attributes:
        channel: Channel id.
        ts: Slack's id of a message within its channel: seconds since 1970 with six decimals.
        thread_ts: `ts` of the message it replies to, or empty.
        ephemeral_to: User id of the only person who sees it, or empty.
        edits: How often it was redrawn.
    """

    channel: str
    ts: str
    user: str
    text: str
    name_of: NameOf = field(repr=False)
    blocks: list[Json] = field(default_factory=list)
    bot_id: str = ""
    thread_ts: str = ""
    ephemeral_to: str = ""
    metadata: Json | None = None
    edits: int = 0
    deleted: bool = False
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def push_text(self) -> str:
        """What a phone shows on its lock screen."""
        return readable(self.text, self.name_of)

    def text_as_seen(self) -> str:
        """The message as plain text: its blocks, or its text where it has none."""
        return text_of_blocks(self.blocks, self.name_of) if self.blocks else self.push_text

    def buttons(self) -> list[str]:
        """Labels of everything that can be clicked, in order."""
        return [label for label, _, _ in clickables(self.blocks)]

    def live_mentions(self) -> list[str]:
        """Every mention Slack would act on (`<!channel>`, `<@U...>`), as written."""
        return live_mentions(self.text, self.blocks)

    def snapshot(self) -> Message:
        """The message as it is now, for clicking on it after it was redrawn."""
        return replace(self, blocks=copy.deepcopy(self.blocks), metadata=copy.deepcopy(self.metadata))

    def as_json(self, *, with_metadata: bool = False) -> Json:
        """The `message` object of the Web API."""
        shown: Json = {
            "type": "message",
            "user": self.user,
            "text": self.text,
            "ts": self.ts,
            "team": TEAM_ID,
        }
        if self.blocks:
            shown["blocks"] = copy.deepcopy(self.blocks)
        if self.bot_id:
            shown |= {"bot_id": self.bot_id, "app_id": APP_ID if self.bot_id == BOT_ID else "A0ELSE"}
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if self.edits:
            shown["edited"] = {"user": self.user, "ts": self.ts}
        if self.reactions:
            shown["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        if with_metadata and self.metadata is not None:
            shown["metadata"] = copy.deepcopy(self.metadata)
        return shown


@dataclass(slots=True, kw_only=True, eq=False)
class View:
    """A modal or a Home tab; the object stays the same when the app updates it.

    Attributes:
        owner: User id of the person who sees it.
        content: What the app sent, with missing ids filled in.
        previous, root: Below it in the stack of modals; `root` is itself for the first.
        trigger_id: The click that opened it.
        open: Still on the screen.
        errors: Complaints under the fields, by label.
    """

    owner: str
    content: Json
    trigger_id: str = ""
    name_of: NameOf = field(repr=False)
    previous: View | None = field(default=None, repr=False)
    id: str = field(default_factory=lambda: f"V{secrets.token_hex(5).upper()}")
    hash: str = field(default_factory=lambda: secrets.token_hex(8))
    open: bool = True
    errors: dict[str, str] = field(default_factory=dict)
    typed: dict[tuple[str, str], Json] = field(default_factory=dict)

    @property
    def root(self) -> View:
        """The first modal of its stack."""
        return self if self.previous is None else self.previous.root

    @property
    def title(self) -> str:
        """Empty for a Home tab."""
        return str(self.content.get("title", {}).get("text", ""))

    @property
    def blocks(self) -> list[Json]:
        """Its blocks as the app sent them."""
        blocks: list[Json] = self.content["blocks"]
        return blocks

    def text_as_seen(self) -> str:
        """Title, blocks, complaints and buttons as plain text."""
        buttons = [self.content[name]["text"] for name in ("close", "submit") if name in self.content]
        complaints = [f"! {label}: {problem}" for label, problem in self.errors.items()]
        lines = [self.title, text_of_blocks(self._blocks_with_answers(), self.name_of), *complaints]
        return "\n".join(line for line in [*lines, "  ".join(f"[{one}]" for one in buttons)] if line)

    def labels(self) -> list[str]:
        """Labels of the fields that can be filled in, in order."""
        return [block["label"]["text"] for block in self.blocks if block["type"] == "input"]

    def buttons(self) -> list[str]:
        """Labels of the buttons inside the view, in order (not submit and close)."""
        return [label for label, _, _ in clickables(self.blocks)]

    def fill(self, answers: Mapping[str, str | list[str]]) -> View:
        """Enter answers by label; choices by the option's label; "" empties a field.

        Raises:
            CannotDoThat: No such label or option.
        """
        for label, answer in answers.items():
            block = self._field(label)
            element = block["element"]
            self.typed[block["block_id"], element["action_id"]] = state_after(element, answer)
        return self

    def value(self, label: str) -> object:
        """What stands in a field now (the option object for choices). Raises: CannotDoThat."""
        block = self._field(label)
        state = self._state(block, block["element"])
        return next(value for key, value in state.items() if key != "type")

    def values(self) -> Json:
        """`state.values`: everything entered, or its default."""
        return values_of(self.blocks, self.typed)

    def complaints(self) -> dict[str, str]:
        """What Slack itself refuses before it asks the app, by label."""
        found = {
            block["label"]["text"]: complaint(
                block["element"], self._state(block, block["element"]), required=not block.get("optional", False)
            )
            for block in self.blocks if block["type"] == "input"
        }  # fmt: skip
        return {label: problem for label, problem in found.items() if problem}

    def replace_content(self, content: Json) -> None:
        """Show new content; what was typed stays where block and action ids stayed."""
        self.content, self.errors = with_ids(content), {}
        self.hash = secrets.token_hex(8)
        kept = {
            (block["block_id"], one.get("action_id")) for block in self.blocks for one in elements_of(block)
        }
        self.typed = {place: state for place, state in self.typed.items() if place in kept}

    def as_json(self) -> Json:
        """The `view` object of payloads and of the Web API."""
        empty: Json = {
            "private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": False,
            "notify_on_close": False, "submit": None, "close": None,
            "title": {"type": "plain_text", "text": ""},
        }  # fmt: skip
        return {
            **empty, **copy.deepcopy(self.content), "id": self.id, "team_id": TEAM_ID, "app_id": APP_ID,
            "bot_id": BOT_ID, "app_installed_team_id": TEAM_ID, "hash": self.hash, "root_view_id": self.root.id,
            "previous_view_id": self.previous.id if self.previous else None, "state": {"values": self.values()},
        }  # fmt: skip

    def _blocks_with_answers(self) -> list[Json]:
        return [
            {**block, "shown": words_of(self._state(block, block["element"]))} if block["type"] == "input" else block
            for block in self.blocks
        ]  # fmt: skip

    def _field(self, label: str) -> Json:
        for block in self.blocks:
            if block["type"] == "input" and block["label"]["text"] == label:
                return block
        raise CannotDoThat(f"no field {label!r} in {self.title!r}; there are {self.labels()}")

    def _state(self, block: Json, element: Json) -> Json:
        return self.typed.get((block["block_id"], element["action_id"])) or initial_state(element)


def values_of(blocks: list[Json], typed: Mapping[tuple[str, str], Json] | None = None) -> Json:
    """`state.values` of some blocks."""
    values: Json = {}
    for block in blocks:
        for element in elements_of(block):
            if keeps_state(element):
                place = (block["block_id"], element["action_id"])
                values.setdefault(place[0], {})[place[1]] = (typed or {}).get(place) or initial_state(element)
    return values


def clickables(blocks: list[Json]) -> list[tuple[str, Json, Json]]:
    """(label, block, action of the payload) for every button and overflow option."""
    found = []
    for block in blocks:
        for element in elements_of(block):
            common = {"type": element["type"], "action_id": element.get("action_id"),
                      "block_id": block.get("block_id")}  # fmt: skip
            if element["type"] == "button":
                action = {**common, "text": element["text"], "value": element.get("value")}
                found.append((element["text"]["text"], block, _without_nothing(action)))
            elif element["type"] == "overflow":
                found += [
                    (option["text"]["text"], block, {**common, "selected_option": option})
                    for option in element["options"]
                ]
    return found


def with_ids(content: Json) -> Json:
    """A copy of a view with an id for every block and element, as Slack adds them."""
    return {**copy.deepcopy(content), "blocks": blocks_with_ids(content["blocks"])}


def blocks_with_ids(blocks: list[Json]) -> list[Json]:
    """A copy of the blocks with an id for every block and element."""
    blocks = copy.deepcopy(blocks)
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for element in elements_of(block):
            if element["type"] != "image":
                element.setdefault("action_id", secrets.token_urlsafe(4))
    return blocks


def _without_nothing(action: Json) -> Json:
    return {name: value for name, value in action.items() if value is not None}
