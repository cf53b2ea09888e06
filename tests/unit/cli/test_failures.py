"""Errors in words: of connections, of the SDK; and exit codes."""

from __future__ import annotations

import io
import json
import re
import ssl
from typing import Any, cast

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)
from rich.console import Console

from coordinator.cli.connection import Connection, Secret
from coordinator.cli.failures import CommandError, ExitCode, show_error, unreached
from coordinator.cli.sdk_failures import error_of_sdk
from tests.runner import ROOT

pytestmark = pytest.mark.spec("UI-2")

PROGRAM = Connection("https://o:1", "https://o:1", "t", "c", Secret("x"), "s", "g", "v", "ca", "")
PERSON = Connection("https://o:1", "https://o:1", "t", "", Secret(""), "s", "g", "v", "", "", "lab")


def caused(inner: BaseException) -> ServiceRequestError:
    """As the SDK wraps what its transport raised."""
    try:
        try:
            raise inner
        except type(inner) as error:
            raise OSError("the pool", error) from error
    except OSError as error:
        return ServiceRequestError(str(error), error=error)


@pytest.mark.parametrize(
    ("inner", "words", "remedy"),
    [
        (
            ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate"),
            "CA file",
            "ca.pem",
        ),
        (
            ssl.SSLCertVerificationError("certificate verify failed: certificate has expired"),
            "clock",
            "clocks",
        ),
        (
            ssl.SSLCertVerificationError(
                "certificate verify failed: Hostname mismatch, certificate is not valid for 'o'"
            ),
            "by a name",
            "in the certificate",
        ),
        (ssl.SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number"), "no TLS", "port"),
        (ConnectionRefusedError(111, "Connection refused"), "stopped", "port"),
        (OSError(-2, "Name or service not known"), "misspelt", "host name"),
        (TimeoutError("timed out"), "overloaded", "Try again"),
        (ConnectionResetError(104, "Connection reset by peer"), "stopped", "endpoint"),
    ],
)
def test_why_a_coordinator_was_not_reached_is_told(inner: OSError, words: str, remedy: str) -> None:
    for error in (
        unreached(inner, PROGRAM.endpoint),
        error_of_sdk(caused(inner), PROGRAM),
    ):
        assert error.exit_code is ExitCode.NOT_CONNECTED
        assert PROGRAM.endpoint in error.message
        assert words in " ".join(error.possible_causes)
        assert remedy in error.recommended_action


class Answer:
    """An answer as the SDK's errors have it."""

    reason = "because"

    def __init__(self, status: int, error: object) -> None:
        self.status_code = status
        self._error = error

    def text(self) -> str:
        return json.dumps({"error": self._error}) if self._error is not None else "<html>"


def refused(status: int, error: object) -> CommandError:
    raised = HttpResponseError(response=cast("Any", Answer(status, error)))
    return error_of_sdk(raised, PROGRAM)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "BadRequest", ExitCode.REFUSED),
        (403, "AuthorizationFailed", ExitCode.NOT_ALLOWED),
        (404, "ResourceNotFound", ExitCode.NOT_FOUND),
        (409, "532", ExitCode.BUSY),
        (409, "PolicyInUse", ExitCode.REFUSED),
        (412, "PreconditionFailed", ExitCode.REFUSED),
        (500, "InternalServerError", ExitCode.FAULT),
        (503, "ServiceUnavailable", ExitCode.NOT_CONNECTED),
    ],
)
def test_refusals_keep_the_service_s_words(status: int, code: str, exit_code: ExitCode) -> None:
    details = [{"possibleCauses": "One.\nTwo.", "recommendedAction": "Wait."}]
    error = refused(status, {"code": code, "message": "It is so.", "details": details})
    assert error == CommandError(exit_code, "It is so.", code, ["One.", "Two."], "Wait.")


def test_an_answer_that_is_not_arm_s_is_told_of() -> None:
    assert refused(502, None).exit_code is ExitCode.FAULT


def test_who_is_not_signed_in_is_told_how_to_be() -> None:
    over = error_of_sdk(ClientAuthenticationError("invalid_client"), PROGRAM)
    assert over.exit_code is ExitCode.NOT_CONNECTED
    assert "two years" in over.possible_causes[0]
    assert "osr profile secret" in over.recommended_action
    locked = error_of_sdk(ClientAuthenticationError("temporarily_unavailable"), PROGRAM)
    assert locked.code == "TooManyWrongSecrets"
    person = error_of_sdk(ClientAuthenticationError("401"), PERSON)
    assert person.recommended_action == "Sign in: osr login --profile lab"


def test_four_things_are_said() -> None:
    text = io.StringIO()
    error = CommandError(ExitCode.REFUSED, "It [is] so.", "Code", ["One.", "Two."], "Wait.", "PS")
    show_error(Console(file=text, width=200), error)
    assert text.getvalue().splitlines() == [
        "Error (Code): It [is] so.",
        "PowerShell: PS",
        "Possible cause: One.",
        "Possible cause: Two.",
        "Recommended action: Wait.",
    ]


def test_exit_codes_are_documented_each_in_one_line() -> None:
    page = (ROOT / "deploy/docs/cli.md").read_text(encoding="utf-8")
    table = page.split("<!-- exit codes: begin -->")[1].split("<!-- exit codes: end -->")[0]
    documented = re.findall(r"^\| (\d+) \| (\w+) \| .+ \|$", table, flags=re.MULTILINE)
    assert documented == [(str(code.value), code.name) for code in ExitCode]
