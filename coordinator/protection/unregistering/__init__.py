"""Removing a server from its vault."""
