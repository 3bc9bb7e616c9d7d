"""Microsoft Teams: who may knock, what was said and pressed there, and how cards get there."""
