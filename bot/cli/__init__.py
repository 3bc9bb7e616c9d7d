"""The terminal: `sayso` and its commands."""
