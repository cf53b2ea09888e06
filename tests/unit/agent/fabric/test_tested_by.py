"""The test virtual machine of a replica, in every shape it arrives in."""

from __future__ import annotations

from uuid import UUID

import pytest

from agent.fabric import replication_state
from agent.powershell.records import PSRecord

ID = UUID("1f0e3dad-9990-4a5b-8c7d-6e5f4a3b2c1d")


@pytest.mark.spec("FO-1")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("", "")),
        (PSRecord({"Id": ID, "Name": "App - Test"}), (str(ID), "App - Test")),
        (
            f"VirtualMachine (Name = 'App - Test') [Id = '{str(ID).upper()}']",
            (str(ID), "App - Test"),
        ),
        (
            PSRecord(text=f"VirtualMachine (Name = 'It's (one) - Test') [Id = '{ID}']"),
            (str(ID), "It's (one) - Test"),
        ),
        ("something else", ("", "")),
    ],
)
def test_it_is_read_from_an_object_or_from_its_text(
    value: object, expected: tuple[str, str]
) -> None:
    assert replication_state.tested_by(PSRecord({"TestVirtualMachine": value})) == expected
