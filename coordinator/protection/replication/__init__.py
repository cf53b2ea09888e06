"""Replication as it runs: what hosts report of it, and what that means."""
