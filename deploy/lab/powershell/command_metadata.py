"""Answers GetCommandMetadata: what tab completion and Import-PSSession ask a session."""

from uuid import UUID

from psrpcore import GetMetadata

from deploy.lab.invocation import EnumValue, PSObject, Value
from deploy.lab.powershell.command_facts import CommandFacts, CommandTable, ParameterFacts
from deploy.lab.powershell.core_cmdlets import matches
from deploy.lab.powershell.runspace_pool import LabRunspacePool

_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")
_CMDLET = EnumValue("System.Management.Automation.CommandTypes", "Cmdlet", 8)

# The command, its table of parameters, the parameters.
_DEPTH = 3


def _parameter(parameter: ParameterFacts) -> PSObject:
    properties: dict[str, Value] = {
        "Name": parameter.name,
        "ParameterType": parameter.type_name,
        "Aliases": list(parameter.aliases),
        "IsDynamic": False,
        "SwitchParameter": parameter.type_name == "SwitchParameter",
    }
    type_name = "System.Management.Automation.ParameterMetadata"
    return PSObject((type_name, "System.Object"), type_name, properties)


def _command(command: CommandFacts) -> PSObject:
    parameters: dict[str, Value] = {
        name: _parameter(facts) for name, facts in command.parameters.items()
    }
    properties: dict[str, Value] = {
        "Name": command.name,
        "Namespace": command.module,
        "HelpUri": "",
        "CommandType": _CMDLET,
        "ResolvedCommandName": None,
        "OutputType": [],
        "Parameters": parameters,
    }
    types = ("Selected.System.Management.Automation.CmdletInfo", *_CUSTOM)
    return PSObject(types, None, properties)


def write_metadata(
    pool: LabRunspacePool, pipeline_id: UUID, wanted: GetMetadata, table: CommandTable
) -> None:
    """Writes the count, then each command whose name matches."""
    patterns = [str(name) for name in wanted.name or ["*"]]
    found = [
        command
        for command in table.commands.values()
        if any(matches(command.name, pattern) for pattern in patterns)
    ]
    count = PSObject(
        ("Selected.Microsoft.PowerShell.Commands.GenericMeasureInfo", *_CUSTOM),
        None,
        {"Count": len(found)},
    )
    pool.write_output(pipeline_id, count)
    for command in found:
        pool.write_output(pipeline_id, _command(command), _DEPTH)
