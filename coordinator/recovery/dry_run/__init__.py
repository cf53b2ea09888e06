"""Dry runs: what a failover would meet and how long it would take, without touching anything."""
