from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psrpcore.types import PSCryptoProvider, deserialize

from deploy.lab.invocation import (
    I64,
    U16,
    U32,
    U64,
    Byte,
    EnumValue,
    PSObject,
    Secret,
    Value,
    Version,
)
from deploy.lab.powershell.clixml import duration_text, to_clixml
from deploy.lab.powershell.incoming import from_psrp


def read(value: Value, depth: int = 1) -> Any:
    """What a client reads of it, by psrpcore's own reader."""
    return deserialize(ET.fromstring(to_clixml(value, depth)), PSCryptoProvider())


def thing(**properties: Value) -> PSObject:
    return PSObject(("Some.Thing", "System.Object"), "a thing", properties)


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        True,
        False,
        None,
        5,
        -1,
        2**40,
        1.5,
        b"\x00\x01",
        uuid4(),
        datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC),
        datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone(timedelta(hours=8))),
        timedelta(seconds=30),
        timedelta(days=3, hours=4, seconds=10, microseconds=5),
        -timedelta(minutes=100, seconds=5),
        ["a", 1, None],
        {"k": "v", "n": [1]},
    ],
)
def test_a_value_comes_back_as_it_was_written(value: Value) -> None:
    assert from_psrp(read(value)) == value


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (Byte(1), "By"),
        (U16(1), "U16"),
        (U32(1), "U32"),
        (I64(1), "I64"),
        (U64(2**63), "U64"),
        (1, "I32"),
        (2**40, "I64"),
        (Version("10.0.17763.0"), "Version"),
    ],
)
def test_the_type_of_a_number_is_kept(value: Value, tag: str) -> None:
    assert ET.fromstring(to_clixml(value)).tag == tag


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert str(read(thing(Text=text)).Text) == text


@given(st.text(min_size=1))
def test_any_property_name_comes_back(name: str) -> None:
    names = [prop.name for prop in read(thing(**{name: 1})).PSObject.adapted_properties]
    assert names == [name]


@given(st.timedeltas())
def test_any_duration_comes_back(duration: timedelta) -> None:
    assert from_psrp(read(duration)) == duration


def test_thirty_seconds_are_thirty_seconds() -> None:
    assert duration_text(timedelta(seconds=30)) == "PT30S"
    assert duration_text(timedelta(0)) == "PT0S"
    assert duration_text(timedelta(days=1)) == "P1D"


def test_an_enumeration_value_has_its_name_its_number_and_its_ancestors() -> None:
    state = read(thing(State=EnumValue("Some.State", "Running", 2))).State
    assert str(state.PSObject.to_string) == "Running"
    assert int(state) == 2
    assert "System.Enum" in state.PSTypeNames[1]


def test_an_object_below_the_first_level_becomes_its_text() -> None:
    found = read(thing(Child=thing(Deep=1), Children=[thing(), "plain", 3]))
    assert found.Child == "a thing"
    assert list(found.Children) == ["a thing", "plain", 3]


def test_a_greater_depth_keeps_the_next_level() -> None:
    assert read(thing(Child=thing(Deep=1)), depth=2).Child.Deep == 1


def test_a_net_object_has_adapted_properties_and_a_custom_one_notes() -> None:
    custom = PSObject(("System.Management.Automation.PSCustomObject",), None, {"A": 1})
    assert ET.fromstring(to_clixml(custom)).find("MS") is not None
    assert ET.fromstring(to_clixml(thing(A=1))).find("Props") is not None


def test_a_secret_never_leaves() -> None:
    assert b"hidden" not in to_clixml(thing(Password=Secret("hidden")))
