"""Offline first copies: exported, carried by people, imported."""
