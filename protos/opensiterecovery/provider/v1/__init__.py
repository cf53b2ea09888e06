"""Version 1 of the provider protocol: fields are added, never renumbered."""
