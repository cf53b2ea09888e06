"""Errors in answers: the types of the document of the API."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class ErrorDetail(TypedDict):
    """The four things every failure says, and which request it was."""

    code: str
    message: str
    possibleCauses: str
    recommendedAction: str
    activityId: str
    clientRequestId: NotRequired[str]


class ErrorBody(TypedDict):
    """Azure Resource Manager's error; `target` names the field at fault."""

    code: str
    message: str
    details: list[ErrorDetail]
    target: NotRequired[str]


class ErrorAnswer(TypedDict):
    """The body of every answer that is not a success."""

    error: ErrorBody
