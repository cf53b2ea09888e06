"""Disabling protection of machines."""
