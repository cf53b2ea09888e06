"""Seeing to it that no copy of a protected machine runs that may not."""
