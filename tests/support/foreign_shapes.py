"""What other people's agents show when they pause, one of each shape."""

from __future__ import annotations

from typing import Any

MAIL: dict[str, Any] = {"to": "dana"}
CALL: dict[str, Any] = {"name": "send", "args": MAIL, "description": "Tool execution requires approval"}
ALL = ["approve", "edit", "reject", "respond"]
BATCH: dict[str, Any] = {
    "action_requests": [CALL],
    "review_configs": [{"action_name": "send", "allowed_decisions": ALL}],
}
INBOX: dict[str, Any] = {
    "action_request": {"action": "send", "args": MAIL}, "description": "Please look",
    "config": {"allow_accept": True, "allow_edit": True, "allow_ignore": True, "allow_respond": True},
}  # fmt: skip
PER_CALL: dict[str, Any] = {
    "type": "tool_approval",
    "tool_call_id": "c1",
    "name": "send",
    "args": MAIL,
    "description": "",
}
PER_CALL_SCHEMA: dict[str, Any] = {
    "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/R"}],
    "$defs": {
        "A": {"type": "object", "properties": {"type": {"const": "approve"}}, "required": ["type"]},
        "R": {"type": "object", "properties": {"type": {"const": "reject"}, "message": {"type": "string"}},
              "required": ["type"]},
    },
}  # fmt: skip
FORM: dict[str, Any] = {
    "type": "object", "required": ["allowed"],
    "properties": {"allowed": {"type": "boolean"}, "note": {"type": "string"}},
}  # fmt: skip
