"""Typed reading of records."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from agent.powershell.records import PropertyError, PSRecord

VM_ID = UUID("36fe8ede-3c1e-4a2d-935d-07f59589be10")
RECORD = PSRecord(
    {
        "Name": "SQL-01",
        "Count": 3,
        "Enabled": True,
        "VMId": str(VM_ID).upper(),
        "At": datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=8))),
        "LocalAt": datetime(2026, 1, 1, 12),  # noqa: DTZ001 - PowerShell sends such times
        "Latency": timedelta(seconds=2),
        "State": "Running",
        "Host": PSRecord(text="h1.example"),
        "Paths": ["a", None, PSRecord(text="b")],
        "Nothing": None,
    },
    ("Deserialized.Microsoft.HyperV.PowerShell.VirtualMachine",),
)


def test_properties_are_read_by_type() -> None:
    assert RECORD.text("Name") == "SQL-01"
    assert RECORD.text("Host") == "h1.example"
    assert RECORD.text("Enabled") == "True"
    assert RECORD.integer("Count") == 3
    assert RECORD.boolean("Enabled") is True
    assert RECORD.guid("VMId") == VM_ID
    assert RECORD.duration("Latency") == timedelta(seconds=2)
    assert RECORD.enum_name("State") == "Running"
    assert RECORD.strings("Paths") == ["a", "b"]
    assert RECORD.strings("Name") == ["SQL-01"]
    assert str(RECORD.record("Host")) == "h1.example"


def test_times_become_utc_and_one_without_zone_is_local() -> None:
    assert RECORD.moment("At") == datetime(2026, 1, 1, 4, tzinfo=UTC)
    local = RECORD.moment("LocalAt")
    assert local.tzinfo is UTC
    assert local.astimezone().replace(tzinfo=None) == RECORD.properties["LocalAt"]


def test_names_of_properties_are_found_in_any_case_as_in_powershell() -> None:
    assert RECORD.text("NAME") == "SQL-01"


def test_a_missing_property_is_an_error_that_names_object_and_property() -> None:
    with pytest.raises(PropertyError) as caught:
        RECORD.text("Colour")
    assert str(caught.value) == "Microsoft.HyperV.PowerShell.VirtualMachine.Colour is missing"


def test_a_null_property_is_an_error_unless_it_is_optional() -> None:
    with pytest.raises(PropertyError, match="Nothing is null"):
        RECORD.integer("Nothing")
    assert RECORD.optional_integer("Nothing") is None
    assert RECORD.optional_text("Nothing") is None
    assert RECORD.optional_moment("Colour") is None
    assert RECORD.strings("Nothing") == []
    assert not RECORD.has("Nothing")


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("integer", "Name"),
        ("integer", "Enabled"),
        ("boolean", "Count"),
        ("guid", "Name"),
        ("moment", "Name"),
        ("duration", "Count"),
        ("enum_name", "Count"),
        ("record", "Name"),
    ],
)
def test_another_type_is_an_error(reader: str, name: str) -> None:
    with pytest.raises(PropertyError, match=f"{name} is "):
        getattr(RECORD, reader)(name)
