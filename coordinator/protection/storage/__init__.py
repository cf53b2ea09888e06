"""Mapping storage classifications, and choosing the storage of a replica's disks."""
