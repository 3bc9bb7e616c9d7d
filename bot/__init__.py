"""The outside: Slack, HTTP, delivery, settings, the terminal; `app` puts everything together."""
