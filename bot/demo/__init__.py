"""The whole product on one machine: a workplace of stand-ins, real processes, a tour, and a prompt to try things."""
