"""Settings and process entry points."""
