"""What a request's body is read with."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RequestPart(BaseModel):
    """A JSON object of a request's body.

    Not django-ninja's Schema, which reads its fields off any value as if they were attributes: a
    text in the place of an object would be an object with nothing in it. Strict: "5" is no number.
    What no field is declared for is left out, as Azure Resource Manager does.
    """

    model_config = ConfigDict(strict=True)
