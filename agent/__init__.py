"""LangGraph: gate, risk, runner and worker, checkpoints, effects, credentials."""
