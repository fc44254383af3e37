"""Grammar files, programs, tokens and the interpreters."""
