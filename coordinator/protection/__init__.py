"""Policies, pairings, protected items, recovery points."""
