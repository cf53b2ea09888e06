from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from deploy.lab.invocation import EnumValue, PSObject, Value
from deploy.lab.powershell.binder import (
    BoundCommand,
    bind_arguments,
    bind_input,
    check_before_input,
    finish_without_input,
)
from deploy.lab.powershell.command_facts import CommandFacts, load_command_table
from deploy.lab.powershell.engine_errors import BindingError

HYPER_V = "Microsoft.HyperV.PowerShell."


def facts(name: str) -> CommandFacts:
    found = load_command_table().find(name)
    assert found is not None
    return found


def live(type_name: str, **properties: Value) -> PSObject:
    return PSObject((type_name, "System.Object"), "shown", properties)


VM = live(HYPER_V + "VirtualMachine", Id="x")
SNAPSHOT = live(HYPER_V + "VMSnapshot", Id="x")


def bind(name: str, *positional: Value, **named: Any) -> BoundCommand:
    arguments: list[tuple[str | None, Value]] = list(named.items())
    arguments += [(None, value) for value in positional]
    return finish_without_input(bind_arguments(facts(name), arguments))


def refused(name: str, *positional: Value, **named: Any) -> BindingError:
    with pytest.raises(BindingError) as caught:
        bind(name, *positional, **named)
    return caught.value


def test_names_are_bound_in_any_case_by_alias_and_by_unique_prefix() -> None:
    bound = bind("get-vmreplication", VMNAME="a", State="Replicating", PrimaryS="p")
    assert set(bound.parameters) == {"VMName", "ReplicationState", "PrimaryServerName"}
    assert bound.parameters["VMName"] == ["a"]


@pytest.mark.parametrize(
    ("cmdlet", "positional", "named", "error_id"),
    [
        ("Get-VM", (), {"Nonsense": 1}, "NamedParameterNotFound"),
        ("Get-VM", (), {"WhatIf": True}, "NamedParameterNotFound"),
        ("Get-VM", (), {"C": "x"}, "AmbiguousParameter"),
        ("Set-VMReplication", (), {"VMName": "a", "Replica": "b"}, "AmbiguousParameter"),
        ("Get-VM", (), {"Name": "a", "VMName": "b"}, "ParameterAlreadyBound"),
        ("Get-VM", (), {"Name": "a", "Id": "0" * 32}, "AmbiguousParameterSet"),
        ("Start-VMFailover", (), {"VMName": "a", "VM": VM}, "AmbiguousParameterSet"),
        ("Start-VMFailover", (), {"AsTest": True, "Prepare": True}, "AmbiguousParameterSet"),
        ("Start-VMFailover", (), {}, "MissingMandatoryParameter"),
        ("Enable-VMReplication", ("a", "replica"), {}, "MissingMandatoryParameter"),
        ("New-VMReplicationAuthorizationEntry", ("p",), {}, "MissingMandatoryParameter"),
        ("Get-VM", ("a", "b"), {}, "PositionalParameterNotFound"),
        ("Set-VMReplication", (), {"RecoveryHistory": "x"}, "CannotConvertArgumentNoMessage"),
        ("Start-VMFailover", (), {"VM": "App"}, "CannotConvertArgumentNoMessage"),
        ("Get-VM", (), {"CimSession": 1}, "CannotConvertArgumentNoMessage"),
        ("Start-VMFailover", (), {"Prepare": "yes"}, "CannotConvertArgumentNoMessage"),
        ("Start-VM", (), {"Confirm": [True]}, "CannotConvertArgumentNoMessage"),
        ("Get-VMReplication", (), {"ReplicationState": "Fine"}, "CannotConvertArgumentNoMessage"),
        ("Get-SCCloud", (), {"Name": ["a", "b"]}, "CannotConvertArgument"),
        (
            "Start-VM",
            (),
            {"Name": None},
            "ParameterArgumentValidationErrorNullNotAllowed",
        ),
        ("Start-VM", (), {"Name": ""}, "ParameterArgumentValidationErrorEmptyStringNotAllowed"),
        ("Start-VM", (), {"Name": []}, "ParameterArgumentValidationErrorEmptyArrayNotAllowed"),
    ],
)
def test_a_wrong_command_line_is_refused_with_the_engines_own_id(
    cmdlet: str, positional: tuple[Value, ...], named: dict[str, Any], error_id: str
) -> None:
    error = refused(cmdlet, *positional, **named)
    assert error.error_id == error_id
    record = error.record(cmdlet, facts(cmdlet).command_class)
    assert record.fully_qualified_error_id == f"{error_id},{facts(cmdlet).command_class}"
    assert "{" not in record.message


def test_an_ambiguous_name_lists_what_it_could_be() -> None:
    error = refused("Set-VMReplication", VMName="a", Auto="x")
    assert "-AutoResynchronizeEnabled" in error.facts["matches"]


def test_the_default_set_is_taken_when_nothing_else_is_said() -> None:
    assert bind("Get-VM").parameter_set == "Name"
    assert bind("Start-VMFailover", "App").parameter_set == "VMName"
    assert bind("Get-SCVirtualMachine", "App").parameter_set == "All"


def test_a_parameter_chooses_the_set_it_belongs_to() -> None:
    assert bind("Start-VMFailover", VMName="a", AsTest=True).parameter_set == "VMName_Test"
    assert bind("Enable-VMReplication", "a", AsReplica=True).parameter_set == "VMName_AsReplica"
    assert bind("Start-VMFailover", SNAPSHOT).parameter_set == "VMSnapshot"
    assert bind("Get-SCVirtualNetworkAdapter").parameter_set == "All"


def test_positions_are_filled_in_order_beside_named_ones() -> None:
    bound = bind("Enable-VMReplication", "App", 8084, "certificate", ReplicaServerName="r")
    assert bound.parameters["VMName"] == ["App"]
    assert bound.parameters["ReplicaServerPort"] == 8084
    kind = bound.parameters["AuthenticationType"]
    assert isinstance(kind, EnumValue)
    assert kind.name == "Certificate"


def test_a_common_parameter_belongs_to_every_set() -> None:
    bound = bind("Start-VMFailover", VMName="a", AsTest=True, ea="Stop", OutVariable="x")
    assert str(bound.parameters["ErrorAction"]) == "Stop"


def test_a_live_object_is_bound_by_value_to_the_parameter_of_its_class() -> None:
    bound = bind_input(bind_arguments(facts("Start-VM"), []), VM)
    assert bound.parameters == {"VM": [VM]}
    assert bound.parameter_set == "VMObject"


def test_a_snapshot_from_the_pipeline_starts_a_failover() -> None:
    start = bind_arguments(facts("Start-VMFailover"), [("Confirm", False)])
    assert bind_input(start, SNAPSHOT).parameter_set == "VMSnapshot"


def test_a_string_from_the_pipeline_is_a_name() -> None:
    bound = bind_input(bind_arguments(facts("Start-VM"), []), "App")
    assert bound.parameters == {"Name": ["App"]}


def test_a_connection_from_the_pipeline_is_bound_to_vmm_server() -> None:
    namespace = "Microsoft.SystemCenter.VirtualMachineManager."
    connection = live(namespace + "Remoting.ServerConnection")
    bound = bind_input(bind_arguments(facts("Get-SCVMHost"), []), connection)
    assert bound.parameters == {"VMMServer": connection}


def test_a_property_of_the_right_name_and_type_is_bound_when_the_object_is_not() -> None:
    selected = live("Selected.System.Object", Id=UUID(int=7))
    bound = bind_input(bind_arguments(facts("Get-VM"), [("ComputerName", "h")]), selected)
    assert bound.parameters == {"ComputerName": ["h"], "Id": UUID(int=7)}
    assert bound.parameter_set == "Id"


def test_a_text_of_an_object_is_preferred_to_a_property_that_needs_conversion() -> None:
    selected = live("Selected.System.Object", Id=str(UUID(int=7)))
    bound = bind_input(bind_arguments(facts("Get-VM"), [("ComputerName", "h")]), selected)
    assert bound.parameters == {"ComputerName": ["h"], "Name": ["shown"]}


def test_an_object_that_fits_nothing_is_not_bound() -> None:
    snapshot_from_elsewhere = live("Deserialized." + HYPER_V + "VMSnapshot")
    with pytest.raises(BindingError) as caught:
        bind_input(bind_arguments(facts("Set-VMReplicationServer"), []), snapshot_from_elsewhere)
    assert caught.value.error_id == "InputObjectNotBound"


def test_a_parameter_that_no_input_can_supply_is_missed_before_any_input_comes() -> None:
    bindings = bind_arguments(facts("Enable-VMReplication"), [("ReplicaServerName", "r")])
    with pytest.raises(BindingError) as caught:
        check_before_input(bindings)
    assert caught.value.error_id == "MissingMandatoryParameter"
    assert "AuthenticationType" in caught.value.facts["parameter"]


def test_what_input_can_supply_is_not_missed_before_it_comes() -> None:
    bindings = bind_arguments(facts("Start-VMFailover"), [("Confirm", False)])
    check_before_input(bindings)
    assert bind_input(bindings, VM).parameters["VM"] == [VM]


def test_binding_one_input_object_leaves_nothing_for_the_next() -> None:
    bindings = bind_arguments(facts("Start-VM"), [])
    bind_input(bindings, VM)
    assert bind_input(bindings, "App").parameters == {"Name": ["App"]}
