"""How a command ends when it cannot do what it was asked: four things said, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from rich.console import Console
from rich.text import Text


class ExitCode(IntEnum):
    """What the exit status of `osr` means; deploy/docs and `osr --help` list them."""

    DONE = 0
    # A defect of the command or an answer it does not understand.
    FAULT = 1
    # Typer's own: wrong arguments.
    USAGE = 2
    # No connection file, no answer from the service, or the service does not know us.
    NOT_CONNECTED = 3
    # The service refused: a value is not allowed, or the state of the object does not allow it.
    REFUSED = 4
    NOT_FOUND = 5
    # Another operation runs on the object.
    BUSY = 6
    # The job that was waited for failed or was cancelled.
    JOB_FAILED = 7
    # The job that was waited for still runs.
    TIME_OVER = 8


@dataclass
class CommandError(Exception):
    """Why a command ends without having done its work.

    Attributes:
        exit_code: What the shell sees.
        message: What happened, naming the object.
        code: Of the service; empty when the command itself says it.
        possible_causes: Sentences.
        recommended_action: What to do next.
        provider_error: What PowerShell said; empty when it was not PowerShell.
    """

    exit_code: ExitCode
    message: str
    code: str = ""
    possible_causes: Sequence[str] = ()
    recommended_action: str = ""
    provider_error: str = ""

    def __str__(self) -> str:
        return self.message


def not_found(kind: str, name: str, there_are: Sequence[str]) -> CommandError:
    """Nothing of that kind has that name; says which names there are."""
    names = ", ".join(sorted(there_are)) or "none"
    return CommandError(
        ExitCode.NOT_FOUND,
        f'There is no {kind} "{name}".',
        possible_causes=["The name is misspelt.", "It is in another vault."],
        recommended_action=f"Use one of: {names}.",
    )


def show_error(console: Console, error: CommandError) -> None:
    """Says the four things, one a line, and what PowerShell said."""
    code = f" ({error.code})" if error.code else ""
    console.print(Text(f"Error{code}: ", style="bold red").append(error.message, style="not bold"))
    if error.provider_error:
        console.print(Text(f"PowerShell: {error.provider_error}"))
    for cause in error.possible_causes:
        console.print(Text(f"Possible cause: {cause}"))
    if error.recommended_action:
        console.print(Text(f"Recommended action: {error.recommended_action}"))


def error_of_sdk(error: Exception, endpoint: str) -> CommandError:
    """Says in our words what the SDK raised."""
    match error:
        case ClientAuthenticationError() if not _unreached(error):
            return CommandError(
                ExitCode.NOT_CONNECTED,
                f"{endpoint} does not accept the client id and secret.",
                code="NotSignedIn",
                possible_causes=["The connection file is another coordinator's, or out of date."],
                recommended_action="Get a new connection file from the administrator.",
            )
        case HttpResponseError() if not _unreached(error):
            return _refusal(error)
        case AzureError():
            return CommandError(
                ExitCode.NOT_CONNECTED,
                f"{endpoint} does not answer: {error.message}",
                possible_causes=[
                    "The coordinator is stopped or the network is down.",
                    "The CA file of the connection is another coordinator's.",
                ],
                recommended_action="Check the endpoint and the CA file in the connection file.",
            )
        case _:
            return CommandError(ExitCode.FAULT, f"{type(error).__name__}: {error}")


def _unreached(error: BaseException | None) -> bool:
    """Whether the service was not even reached; signing in says so only in what it came from."""
    while error is not None:
        if isinstance(error, ServiceRequestError | ServiceResponseError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refusal(error: HttpResponseError) -> CommandError:
    body = _body(error)
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details else {}
    exit_codes = {404: ExitCode.NOT_FOUND, 409: ExitCode.BUSY}
    exit_code = exit_codes.get(error.status_code or 0, ExitCode.REFUSED)
    if exit_code is ExitCode.BUSY and body.get("code") != "532":
        exit_code = ExitCode.REFUSED
    if (error.status_code or 500) >= 500:
        exit_code = ExitCode.FAULT
    causes = str(first.get("possibleCauses") or "")
    return CommandError(
        exit_code,
        str(body.get("message") or error.message),
        code=str(body.get("code") or error.status_code or ""),
        possible_causes=causes.splitlines(),
        recommended_action=str(first.get("recommendedAction") or ""),
    )


def _body(error: HttpResponseError) -> Mapping[str, object]:
    """The "error" member of the answer; empty when the answer has none."""
    try:
        body = json.loads(error.response.text()) if error.response is not None else {}
    except ValueError:
        return {}
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}
