"""What Microsoft's SDK raises, in our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from coordinator.cli.connection import Connection
from coordinator.cli.failures import CommandError, ExitCode, unreached
from coordinator.cli.person_sign_in import not_signed_in

_EXIT_CODES: Mapping[int, ExitCode] = {
    HTTPStatus.NOT_FOUND: ExitCode.NOT_FOUND,
    HTTPStatus.FORBIDDEN: ExitCode.NOT_ALLOWED,
    # It is there, its database is not.
    HTTPStatus.SERVICE_UNAVAILABLE: ExitCode.NOT_CONNECTED,
}
LOCKED = "temporarily_unavailable"


def error_of_sdk(error: Exception, connection: Connection) -> CommandError:
    """Says in our words what the SDK raised."""
    match error:
        case ClientAuthenticationError() if not _is_unreached(error):
            return _not_accepted(error, connection)
        case HttpResponseError() if not _is_unreached(error):
            return _refusal(error)
        case AzureError():
            return unreached(error, connection.endpoint)
        case _:
            return CommandError(ExitCode.FAULT, f"{type(error).__name__}: {error}")


def _is_unreached(error: BaseException | None) -> bool:
    """Whether the service was not even reached; signing in says so only in what it came from."""
    while error is not None:
        if isinstance(error, ServiceRequestError | ServiceResponseError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _not_accepted(error: ClientAuthenticationError, connection: Connection) -> CommandError:
    if connection.is_person:
        return not_signed_in(connection, f"{connection.endpoint} does not know you any more.")
    if LOCKED in str(error) or "Too many wrong secrets" in str(error):
        return CommandError(
            ExitCode.NOT_CONNECTED,
            f"{connection.endpoint} looks at no secret of {connection.client_id} for some minutes.",
            code="TooManyWrongSecrets",
            possible_causes=["Wrong secrets were given again and again, perhaps by a script."],
            recommended_action="Correct the secret where it is wrong, and wait 15 minutes.",
        )
    where = f" {connection.profile}" if connection.profile else ""
    return CommandError(
        ExitCode.NOT_CONNECTED,
        f"{connection.endpoint} does not accept the client id and secret.",
        code="NotSignedIn",
        possible_causes=[
            "The secret has ended (secrets are good for two years), or was replaced.",
            "The program was removed, or is another coordinator's.",
        ],
        recommended_action="Have the administrator give a new secret (osr-coordinator principal "
        f"rotate-secret), and keep it: osr profile secret{where}.",
    )


def _refusal(error: HttpResponseError) -> CommandError:
    body = _body(error)
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details else {}
    causes = str(first.get("possibleCauses") or "")
    return CommandError(
        _exit_code(error.status_code or 500, body),
        str(body.get("message") or error.message),
        code=str(body.get("code") or error.status_code or ""),
        possible_causes=causes.splitlines(),
        recommended_action=str(first.get("recommendedAction") or ""),
    )


def _exit_code(status: int, body: Mapping[str, object]) -> ExitCode:
    if status in _EXIT_CODES:
        return _EXIT_CODES[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ExitCode.FAULT
    # ASR's number for an operation beside another.
    busy = status == HTTPStatus.CONFLICT and body.get("code") == "532"
    return ExitCode.BUSY if busy else ExitCode.REFUSED


def _body(error: HttpResponseError) -> Mapping[str, object]:
    """The "error" member of the answer; empty when the answer has none."""
    try:
        body = json.loads(error.response.text()) if error.response is not None else {}
    except ValueError:
        return {}
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}
