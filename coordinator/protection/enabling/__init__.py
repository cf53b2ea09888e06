"""Enabling protection of machines, up to the end of the first copy."""
