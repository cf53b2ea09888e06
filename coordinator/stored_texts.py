"""Texts from agents made fit for PostgreSQL, which cannot keep the character NUL."""

from __future__ import annotations

from typing import Any


def without_nul(value: Any) -> Any:
    """A JSON value whose texts have lost their NUL characters; keys are field names and stay."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, dict):
        return {key: without_nul(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    return value
