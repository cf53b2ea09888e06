from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from deploy.lab.invocation import EnumValue, PSObject, Secret, Value
from deploy.lab.powershell.command_facts import ParameterFacts
from deploy.lab.powershell.conversion import CannotConvertError, convert, text_of

ID = UUID("11111111-2222-3333-4444-555555555555")
VM = PSObject(("Microsoft.HyperV.PowerShell.VirtualMachine", "System.Object"), "vm", {})
FOREIGN = PSObject(("Deserialized.Microsoft.HyperV.PowerShell.VirtualMachine",), "vm", {})
AUTHENTICATION = ("Kerberos", "Certificate")


def parameter(type_name: str, *values: str) -> ParameterFacts:
    return ParameterFacts("P", type_name, values=values)


@pytest.mark.parametrize(
    ("type_name", "given", "expected"),
    [
        ("String", "a", "a"),
        ("String", 5, "5"),
        ("String", True, "True"),
        ("String", ID, str(ID)),
        ("String", datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC), "03/05/2024 06:07:08"),
        ("String", VM, "vm"),
        ("String[]", "a", ["a"]),
        ("String[]", ["a", 1], ["a", "1"]),
        ("Int32", "0x1F", 31),
        ("Int32", "7.6", 8),
        ("Int32", 2.5, 2),
        ("Int32", True, 1),
        ("Int32", None, 0),
        ("UInt16", "65535", 65535),
        ("Boolean", 1, True),
        ("SwitchParameter", False, False),
        ("Guid", str(ID), ID),
        ("DateTime", "2024-03-05T06:07:08Z", datetime(2024, 3, 5, 6, 7, 8, tzinfo=UTC)),
        ("DateTime", "03/05/2024", datetime(2024, 3, 5, tzinfo=UTC)),
        ("TimeSpan", "00:00:30", timedelta(seconds=30)),
        ("TimeSpan", "-1.02:03:04.5", -timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("TimeSpan", 10_000_000, timedelta(seconds=1)),
        ("Byte[]", b"\x01\x02", b"\x01\x02"),
        ("Byte[]", [1, "2"], b"\x01\x02"),
        ("Hashtable", {"a": 1}, {"a": 1}),
        ("VirtualMachine[]", VM, [VM]),
        ("ServerConnection", "vmm.contoso.com", "vmm.contoso.com"),
    ],
)
def test_a_value_is_converted_as_powershell_does(
    type_name: str, given: Value, expected: Value
) -> None:
    assert convert(parameter(type_name), given) == expected


@pytest.mark.parametrize(
    ("type_name", "given"),
    [
        ("Int32", "many"),
        ("Int32", 2**31),
        ("Int32", VM),
        ("UInt16", 65536),
        ("UInt16", -1),
        ("Boolean", "true"),
        ("SwitchParameter", "yes"),
        ("Guid", "short"),
        ("Guid", 5),
        ("DateTime", "soon"),
        ("TimeSpan", "half an hour"),
        ("Byte[]", [256]),
        ("SecureString", "plain text"),
        ("Hashtable", "a=b"),
        ("VirtualMachine[]", "App"),
        ("VirtualMachine[]", FOREIGN),
        ("CimSession[]", 1),
    ],
)
def test_a_value_that_powershell_cannot_convert_is_refused(type_name: str, given: Value) -> None:
    with pytest.raises(CannotConvertError):
        convert(parameter(type_name), given)


@pytest.mark.parametrize("given", ["certificate", "CERTIFICATE", 2])
def test_an_enumeration_takes_names_in_any_case_and_its_numbers(given: Value) -> None:
    value = convert(parameter("ReplicationAuthenticationType", *AUTHENTICATION), given)
    expected = "Microsoft.HyperV.PowerShell.ReplicationAuthenticationType"
    assert value == EnumValue(expected, "Certificate", 2)


@pytest.mark.parametrize("given", ["Cert", "", 7, VM])
def test_an_enumeration_refuses_other_names_and_says_which_there_are(given: Value) -> None:
    with pytest.raises(CannotConvertError) as caught:
        convert(parameter("ReplicationAuthenticationType", *AUTHENTICATION), given)
    if given != 7:
        assert "Kerberos, Certificate" in str(caught.value)


def test_a_refused_secret_is_not_repeated() -> None:
    for type_name, given in (("SecureString", "pass-word"), ("Int32", Secret("pass-word"))):
        with pytest.raises(CannotConvertError) as caught:
            convert(parameter(type_name), given)
        assert "pass-word" not in str(caught.value)


def test_the_text_of_a_timespan_shows_days_only_when_there_are_some() -> None:
    assert text_of(timedelta(hours=1, seconds=5)) == "01:00:05"
    assert text_of(timedelta(days=2, minutes=1)) == "2.00:01:00"
