"""The four things every failure says, as a value and as an exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ProviderError:
    """PowerShell's error record behind a failure, unchanged.

    Attributes:
        error_id: FullyQualifiedErrorId.
        category: Name of the category, for example "InvalidOperation".
        message: As PowerShell wrote it, in the language of the server.
        cmdlet: What wrote it.
        target: What it was about.
    """

    error_id: str
    category: str
    message: str
    cmdlet: str = ""
    target: str = ""


@dataclass(frozen=True)
class Failure:
    """Why something did not work (DESIGN, invariant 9).

    Attributes:
        code: Stable and searchable; ASR's number where ASR had one ("532"), else a word.
        message: What happened, naming the object.
        possible_causes: Sentences, most likely first.
        recommended_action: What to do next.
        provider_error: Set when the failure came out of PowerShell.
    """

    code: str
    message: str
    possible_causes: tuple[str, ...] = ()
    recommended_action: str = ""
    provider_error: ProviderError | None = None

    def as_json(self) -> dict[str, object]:
        """The stored form: camelCase keys as ASR's error bodies have them."""
        stored: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "possibleCauses": list(self.possible_causes),
            "recommendedAction": self.recommended_action,
        }
        if self.provider_error is not None:
            stored["providerError"] = asdict(self.provider_error)
        return stored


class RefusedError(Exception):
    """A request that cannot be carried out; nothing was changed.

    Attributes:
        failure: The four things to tell.
        status: HTTP status an API answers with: 400, 403, 404 or 409.
        field: Name of the request's field at fault, when there is one.
    """

    def __init__(self, failure: Failure, *, status: int = 400, field: str | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = status
        self.field = field


def refuse(
    code: str,
    message: str,
    *,
    causes: Sequence[str] = (),
    action: str,
    status: int = 400,
    field: str | None = None,
) -> RefusedError:
    """Builds the exception to raise when a request is refused."""
    failure = Failure(code, message, tuple(causes), action)
    return RefusedError(failure, status=status, field=field)
