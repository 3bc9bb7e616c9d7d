"""The terminal: `sayso` and its commands; one place turns errors into one sentence and an exit code."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script. Exits 0 when all is well, 1 for a refusal, 2 for wrong usage."""
    import sys

    from ...approvals.errors import SaysoError
    from .commands import app

    try:
        app()
    except SaysoError as error:
        print(f"sayso: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
