"""Agents that run on a LangGraph Agent Server: their pauses are asked about here, and answered there."""
