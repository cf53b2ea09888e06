"""People, programs, roles, tokens."""
