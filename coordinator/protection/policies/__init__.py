"""Replication policies: their fields, and keeping them."""
