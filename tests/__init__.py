"""Checks and tests of the whole project."""
