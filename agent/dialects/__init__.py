"""What other people's agents raise when they pause, and the exact words each of them takes as an answer."""
