"""The syntactic and the semantic metric space of a universe."""
