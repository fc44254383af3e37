"""Evaluation: writing programs, executing and judging them, what it came to."""
