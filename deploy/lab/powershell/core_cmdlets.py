"""Cmdlets that the powershell process runs itself: Select-Object, Measure-Object, Get-Command."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from deploy.lab.invocation import ErrorRecord, InvocationResult, PSObject, Value
from deploy.lab.powershell.binder import BoundCommand
from deploy.lab.powershell.command_facts import CommandFacts, CommandTable
from deploy.lab.powershell.conversion import text_of, type_name_of
from deploy.lab.powershell.engine_errors import engine_error
from deploy.lab.powershell.filtering_cmdlets import group_object, where_object

_CUSTOM_OBJECT = ("System.Management.Automation.PSCustomObject", "System.Object")


def matches(name: str, pattern: str) -> bool:
    """PowerShell's wildcard match, without regard to case."""
    return fnmatchcase(name.lower(), pattern.lower())


def _property(item: Value, name: str) -> tuple[bool, Value]:
    if isinstance(item, PSObject):
        for key, value in item.properties.items():
            if key.lower() == name.lower():
                return True, value
    if isinstance(item, str) and name.lower() == "length":
        return True, len(item)
    return False, None


def _selected(item: Value, wanted: list[str], excluded: list[str]) -> PSObject:
    known = dict(item.properties) if isinstance(item, PSObject) else {}
    chosen: dict[str, Value] = {}
    for pattern in wanted:
        if "*" in pattern:
            chosen |= {key: value for key, value in known.items() if matches(key, pattern)}
        else:
            spelled = next((key for key in known if key.lower() == pattern.lower()), pattern)
            chosen[spelled] = _property(item, pattern)[1]
    kept = {
        key: value
        for key, value in chosen.items()
        if not any(matches(key, pattern) for pattern in excluded)
    }
    return PSObject((f"Selected.{type_name_of(item)}", *_CUSTOM_OBJECT), None, kept)


def _expanded(
    command: CommandFacts, items: list[Value], name: str, beside: list[str]
) -> tuple[list[Value], list[ErrorRecord]]:
    """The values of one property; -Property puts others of the same object beside them."""
    output: list[Value] = []
    errors: list[ErrorRecord] = []
    for item in items:
        found, value = _property(item, name)
        if not found:
            error = engine_error(
                "ExpandPropertyNotFound", command.name, command.command_class, parameter=name
            )
            errors.append(_non_terminating(error))
            continue
        notes = dict(_selected(item, beside, []).properties)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, PSObject):
                properties = {**notes, **each.properties}
                output.append(PSObject(each.type_names, each.to_string, properties))
            elif each is not None:
                output.append(each)
    return output, errors


def _non_terminating(error: ErrorRecord) -> ErrorRecord:
    return ErrorRecord(**{**error.__dict__, "terminating": False})


def _window(items: list[Value], bound: BoundCommand) -> list[Value]:
    skip = bound.parameters.get("Skip")
    first = bound.parameters.get("First")
    last = bound.parameters.get("Last")
    if isinstance(skip, int):
        items = items[skip:]
    if isinstance(first, int):
        return items[:first]
    if isinstance(last, int):
        return items[-last:] if last else []
    return items


def _texts(value: Value) -> list[str]:
    return [text_of(item) for item in value] if isinstance(value, list) else []


def select_object(table: CommandTable, bound: BoundCommand, items: list[Value]) -> InvocationResult:
    del table
    items = _window(items, bound)
    wanted = _texts(bound.parameters.get("Property"))
    expand = bound.parameters.get("ExpandProperty")
    wanted = _texts(bound.parameters.get("Property"))
    if isinstance(expand, str):
        output, errors = _expanded(bound.command, items, expand, wanted)
        return InvocationResult(output=tuple(output), errors=tuple(errors))
    excluded = _texts(bound.parameters.get("ExcludeProperty"))
    if not wanted and not excluded:
        return InvocationResult(output=tuple(items))
    return InvocationResult(
        output=tuple(_selected(item, wanted or ["*"], excluded) for item in items)
    )


def measure_object(
    table: CommandTable, bound: BoundCommand, items: list[Value]
) -> InvocationResult:
    del table, bound
    names = ("Average", "Sum", "Maximum", "Minimum", "Property")
    properties: dict[str, Value] = {"Count": len(items)} | dict.fromkeys(names)
    info = PSObject(
        ("Microsoft.PowerShell.Commands.GenericMeasureInfo", "System.Object"),
        "Microsoft.PowerShell.Commands.GenericMeasureInfo",
        properties,
    )
    return InvocationResult(output=(info,))


def command_info(command: CommandFacts) -> PSObject:
    """What Get-Command shows of a cmdlet."""
    function = command.module == "OpenSiteRecovery"
    kind = "Function" if function else "Cmdlet"
    properties: dict[str, Value] = {
        "Name": command.name,
        "CommandType": kind,
        "Source": command.module,
        "ModuleName": command.module,
        "Visibility": "Public",
    }
    types = (f"System.Management.Automation.{kind}Info", "System.Management.Automation.CommandInfo")
    return PSObject((*types, "System.Object"), command.name, properties)


def get_command(table: CommandTable, bound: BoundCommand, items: list[Value]) -> InvocationResult:
    del items
    patterns = _texts(bound.parameters.get("Name")) or ["*"]
    modules = _texts(bound.parameters.get("Module")) or ["*"]
    found: list[Value] = []
    errors: list[ErrorRecord] = []
    for pattern in patterns:
        listed = [
            command
            for command in table.commands.values()
            if matches(command.name, pattern)
            and any(matches(command.module, module) for module in modules)
        ]
        found.extend(command_info(command) for command in listed)
        if not listed and "*" not in pattern:
            error = engine_error(
                "CommandNotFoundException",
                bound.command.name,
                bound.command.command_class,
                target=pattern,
            )
            errors.append(_non_terminating(error))
    return InvocationResult(output=tuple(found), errors=tuple(errors))


def out_default(table: CommandTable, bound: BoundCommand, items: list[Value]) -> InvocationResult:
    """Writes to the host; a remote session's output goes to the client anyway."""
    del table, bound
    return InvocationResult(output=tuple(items))


CoreCmdlet = Callable[[CommandTable, BoundCommand, list[Value]], InvocationResult]

CORE_CMDLETS: dict[str, CoreCmdlet] = {
    "Select-Object": select_object,
    "Measure-Object": measure_object,
    "Get-Command": get_command,
    "Out-Default": out_default,
    "Where-Object": where_object,
    "Group-Object": group_object,
}
