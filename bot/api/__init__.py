"""Runs over HTTP: who may start them, how they stand, and the callbacks that tell of them. Nobody approves here."""
