from __future__ import annotations

from typing import Any

import pytest

from deploy.lab.invocation import InvocationResult, PSObject, Value
from deploy.lab.powershell.binder import bind_arguments, finish_without_input
from deploy.lab.powershell.command_facts import load_command_table
from deploy.lab.powershell.core_cmdlets import CORE_CMDLETS

DISK = PSObject(("Some.Disk", "System.Object"), "disk", {"Path": "p", "Size": 1})
VM = PSObject(
    ("Some.VM", "System.Object"), "App", {"Name": "App", "Size": 9, "Disks": [DISK], "None": None}
)


def run(name: str, items: list[Value], **named: Any) -> InvocationResult:
    table = load_command_table()
    command = table.find(name)
    assert command is not None
    bound = finish_without_input(bind_arguments(command, list(named.items())))
    return CORE_CMDLETS[command.name](table, bound, items)


def properties(result: InvocationResult) -> list[dict[str, Value]]:
    return [dict(each.properties) for each in result.output if isinstance(each, PSObject)]


def test_select_keeps_the_named_properties_in_their_order_and_spelling() -> None:
    result = run("select", [VM], Property=["disks", "name", "Missing"])
    assert properties(result) == [{"Disks": [DISK], "Name": "App", "Missing": None}]
    [selected] = result.output
    assert isinstance(selected, PSObject)
    assert selected.type_names[0] == "Selected.Some.VM"


def test_select_takes_wildcards_and_excludes() -> None:
    result = run("Select-Object", [VM], Property=["*e"], ExcludeProperty=["Size"])
    assert properties(result) == [{"Name": "App", "None": None}]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"First": 2}, [1, 2]),
        ({"Last": 1}, [4]),
        ({"Skip": 1, "First": 1}, [2]),
        ({"First": 0}, []),
    ],
)
def test_select_cuts_a_window(window: dict[str, int], expected: list[Value]) -> None:
    assert list(run("Select-Object", [1, 2, 3, 4], **window).output) == expected


def test_select_unfolds_a_property_and_puts_others_beside() -> None:
    result = run("Select-Object", [VM], ExpandProperty="Disks", Property=["Name", "Size"])
    assert properties(result) == [{"Name": "App", "Size": 1, "Path": "p"}]


def test_select_says_when_there_is_nothing_to_unfold() -> None:
    [error] = run("Select-Object", [VM], ExpandProperty="Nothing").errors
    assert error.fully_qualified_error_id == (
        "ExpandPropertyNotFound,Microsoft.PowerShell.Commands.SelectObjectCommand"
    )
    assert not error.terminating


def test_measure_counts() -> None:
    assert properties(run("measure", [VM, DISK]))[0]["Count"] == 2


def test_get_command_tells_which_cmdlets_there_are() -> None:
    found = properties(run("gcm", [], Name=["Get-VM", "*-VMFailover"]))
    assert {each["Name"] for each in found} == {
        "Get-VM",
        "Start-VMFailover",
        "Stop-VMFailover",
        "Complete-VMFailover",
    }
    assert {each["ModuleName"] for each in found} == {"Hyper-V"}
    [error] = run("Get-Command", [], Name="Get-Nothing").errors
    assert error.error_id == "CommandNotFoundException"
    assert not run("Get-Command", [], Name="Nothing*").errors
