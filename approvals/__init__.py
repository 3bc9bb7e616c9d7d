"""The record of what was asked and answered, its state machine, who may answer, and the store."""
