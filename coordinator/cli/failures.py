"""How a command ends when it cannot do what it was asked: four things said, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from rich.console import Console
from rich.text import Text


class ExitCode(IntEnum):
    """What the exit status of `osr` means; deploy/docs/cli.md and `osr --help` list them."""

    DONE = 0
    # A defect of the command or an answer it does not understand.
    FAULT = 1
    # Wrong arguments, or a file of osr apply that cannot be read. Typer's own number.
    USAGE = 2
    # No profile, no answer from the service, or the service does not know us.
    NOT_CONNECTED = 3
    # The service refused: a value is not allowed, or the state of the object does not allow it;
    # or nobody confirmed what has to be confirmed.
    REFUSED = 4
    NOT_FOUND = 5
    # Another operation runs on the object.
    BUSY = 6
    # The job that was waited for failed or was cancelled.
    JOB_FAILED = 7
    # The job that was waited for still runs.
    TIME_OVER = 8
    # Our roles do not allow it.
    NOT_ALLOWED = 9
    # osr diff: the vault is not as the files say.
    DIFFERENT = 10
    # osr audit: a record is not as it was written.
    AUDIT_ALTERED = 11
    # Ctrl-C; the shells' number. A job that was begun goes on.
    INTERRUPTED = 130


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


def unreached(error: BaseException, endpoint: str) -> CommandError:
    """Says why a coordinator was not reached: its certificate, its name, the network, or itself.

    Args:
        error: What the library raised; the reason is often only in what that came from.
        endpoint: Base URL of the coordinator.
    """
    reason = _reason(error)
    lowered = reason.lower()
    for words, cause, action in _REASONS:
        if any(word in lowered for word in words):
            return CommandError(
                ExitCode.NOT_CONNECTED,
                f"{endpoint} cannot be reached: {reason}",
                code="NotConnected",
                possible_causes=cause,
                recommended_action=action,
            )
    return CommandError(
        ExitCode.NOT_CONNECTED,
        f"{endpoint} does not answer: {reason}",
        code="NotConnected",
        possible_causes=["The coordinator is stopped.", "The network is down."],
        recommended_action="Check the endpoint (osr profile show), then the coordinator itself.",
    )


# What is looked for in the reason, in this order; possible causes; what to do.
_REASONS: Sequence[tuple[Sequence[str], Sequence[str], str]] = (
    (
        ("certificate has expired",),
        ["The coordinator's certificate is over.", "This machine's clock is wrong."],
        "Compare the clocks; then have the coordinator's certificate renewed.",
    ),
    (
        ("hostname mismatch", "doesn't match", "not valid for"),
        ["The endpoint names the coordinator by a name that is not in its certificate."],
        "Use the name that is in the certificate: osr profile add --endpoint ... --replace.",
    ),
    (
        ("certificate verify failed", "certificate_verify_failed", "self-signed", "self signed"),
        [
            "The CA file is another coordinator's, or missing.",
            "Somebody else answers at this address.",
        ],
        "Get ca.pem from the administrator, by a way you trust: osr profile add --ca-file ...",
    ),
    (
        ("invalid path", "could not find a suitable tls ca", "no such file"),
        ["The CA file was moved or removed."],
        "Give the coordinator's ca.pem again: osr profile add --ca-file ... --replace.",
    ),
    (
        ("name or service not known", "getaddrinfo", "nodename nor servname", "name resolution"),
        ["The host name is misspelt.", "The name server is not reached."],
        "Check the host name in the endpoint: osr profile show.",
    ),
    (
        ("connection refused", "actively refused"),
        ["The coordinator is stopped.", "The port is another one.", "A firewall refuses."],
        "Check the port in the endpoint (osr profile show), then whether the coordinator runs.",
    ),
    (
        ("wrong version number", "wrong_version_number", "record layer failure", "ssl"),
        ["The port speaks no TLS: it is another service's.", "A proxy is in between."],
        "Check the port in the endpoint: osr profile show.",
    ),
    (
        ("timed out", "timeout"),
        ["The coordinator is overloaded.", "A firewall drops what is sent to it."],
        "Try again; then check the way to the coordinator.",
    ),
)


def _reason(error: BaseException) -> str:
    """The innermost words, without the objects that libraries print before them."""
    innermost: BaseException = error
    seen = {id(error)}
    while True:
        below = _below(innermost)
        if below is None or id(below) in seen:
            break
        seen.add(id(below))
        innermost = below
    text = str(innermost) or str(error) or type(innermost).__name__
    return " ".join(text.split()).rstrip(".") + "."


def _below(error: BaseException) -> BaseException | None:
    """What an error came from, where Python and the libraries keep that."""
    named = (getattr(error, name, None) for name in ("inner_exception", "reason"))
    places = (error.__cause__, *named, error.__context__, *error.args)
    return next((one for one in places if isinstance(one, BaseException)), None)
