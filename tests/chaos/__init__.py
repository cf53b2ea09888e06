"""Killing processes of a running story, and judging what came of it."""
