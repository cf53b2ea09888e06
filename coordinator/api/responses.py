"""What routes answer, as they tell it django-ninja: a type for the body of each status.

The types are for the document of the API only (`coordinator.api.openapi`). Every route gives
django-ninja a finished HttpResponse (`calls._route`), and those it passes on as they are: no answer
is validated, filtered or copied again, however long the list in it is. Tests see that answers are
what is told here; a route that tells nothing fails one.

Errors are not told by routes: which there can be follows from the route
(`openapi.errors`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel, Field, create_model
from typing_extensions import TypedDict

from coordinator.api.shapes.errors import ErrorAnswer

Responses: TypeAlias = dict[int, Any]


class Begun(TypedDict):
    """No body; the headers say where to ask how the operation stands."""


class Running(TypedDict):
    """No body; the headers say where to ask again, and when."""


class Page(BaseModel):
    """A page of a list."""

    nextLink: str | None = Field(  # noqa: N815 - the API's name
        description="The address of the next page; null: this is the last one."
    )


@cache
def page_of(shape: Any) -> type[Page]:
    """A page of such resources."""
    name = f"{shape.__name__.removesuffix('Resource')}List"
    return create_model(name, __base__=Page, __doc__=Page.__doc__, value=(list[shape], ...))


def shows(shape: Any) -> Responses:
    """The route answers with such a body."""
    return {200: shape}


def lists(shape: Any) -> Responses:
    """The route answers with pages of such resources."""
    return {200: page_of(shape)}


def makes(shape: Any, *, made_anew: bool = True) -> Responses:
    """The route makes such a resource at once.

    Args:
        shape: What it answers with.
        made_anew: It also answers when there is nothing to make.
    """
    return {200: shape, 201: shape} if made_anew else {201: shape}


def begins(*, or_shows: Any = None, or_nothing: bool = False) -> Responses:
    """The route begins an operation.

    Args:
        or_shows: What it answers with when there is nothing to wait for.
        or_nothing: Of what is gone it says only that.
    """
    found: Responses = {202: Begun}
    if or_shows is not None:
        found[200] = or_shows
    if or_nothing:
        found[204] = None
    return found


def results(shape: Any, *, or_nothing: bool = True) -> Responses:
    """The route says how an operation ended, at the address that its 202 named.

    Args:
        shape: The resource that the operation was about.
        or_nothing: The resource may be gone.
    """
    found: Responses = {200: shape, 202: Running, 409: ErrorAnswer}
    return {**found, 204: None} if or_nothing else found


# The route has done it, and has nothing to say.
NOTHING: Responses = {204: None}
# The action has been done; the job goes on.
ACTED: Responses = {202: Running}
# The route only ever refuses.
REFUSES: Responses = {400: ErrorAnswer}
