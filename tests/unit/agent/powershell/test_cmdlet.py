"""Commands are data."""

from datetime import datetime, timedelta

import pytest

from agent.powershell.cmdlet import Cmdlet, cmdlet
from agent.powershell.pipelines import constant_format
from agent.powershell.secret_text import SecretText


@pytest.mark.parametrize(
    "name", ["Get-VM; Stop-Computer", "Get-VM | Remove-VM", "{ Get-VM }", "iex", "Get-VM\n", ""]
)
def test_script_text_is_no_cmdlet(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a cmdlet"):
        cmdlet(name)


def test_names_of_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="not the name of a parameter"):
        Cmdlet("Get-VM", {"Name; Stop-Computer": "x"})


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="datetime with a zone"):
        cmdlet("Resume-VMReplication", ResynchronizeStartTime=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_values_do_not_show() -> None:
    shown = repr(cmdlet("Install-OsrReplicationCertificate", Pfx=b"key", Password=SecretText("pw")))
    assert shown == "Install-OsrReplicationCertificate -Pfx -Password"
    assert f"{SecretText('pw')}" == repr(SecretText("pw")) == "********"


def test_secrets_compare_by_content() -> None:
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert SecretText("a") != "a"
    assert len({SecretText("a"), SecretText("a")}) == 1


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=30), "00:00:30.0000000"),
        (timedelta(hours=12), "12:00:00.0000000"),
        (timedelta(days=2, minutes=3, microseconds=5), "2.00:03:00.0000050"),
        (-timedelta(seconds=1.5), "-00:00:01.5000000"),
        (timedelta(0), "00:00:00.0000000"),
    ],
)
def test_durations_are_written_as_dotnet_does(span: timedelta, text: str) -> None:
    assert constant_format(span) == text
