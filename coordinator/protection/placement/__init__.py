"""Choosing the host and the storage of a replica."""
