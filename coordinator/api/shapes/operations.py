"""Operations that the API has, in answers."""

from __future__ import annotations

from typing_extensions import TypedDict


class OperationDisplay(TypedDict):
    provider: str
    resource: str
    operation: str
    description: str


class OperationShape(TypedDict):
    """What can be done, and what roles call it."""

    name: str
    display: OperationDisplay
    origin: str
    properties: None
