"""A record drawn for people, and their answers read back; pure."""
