"""Where-Object and Group-Object, as far as they work without a script block."""

from collections.abc import Callable
from datetime import datetime

from deploy.lab.invocation import InvocationResult, PSObject, Value
from deploy.lab.powershell.binder import BoundCommand
from deploy.lab.powershell.command_facts import CommandTable
from deploy.lab.powershell.conversion import text_of

_Comparison = Callable[[Value, Value], bool]


def _of(item: Value, name: str) -> Value:
    """A property in any case; null where there is none."""
    if not isinstance(item, PSObject):
        return None
    return next((v for key, v in item.properties.items() if key.lower() == name.lower()), None)


def _order(left: Value, right: Value) -> int | None:
    """Negative, zero or positive; None when PowerShell would find no order."""
    if left is None or right is None:
        return None
    if isinstance(left, datetime) and isinstance(right, datetime):
        # PowerShell compares clock faces; the lab's PowerShell runs in UTC, where it is the same.
        return (left > right) - (left < right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return (left > right) - (left < right)
    one, other = text_of(left).lower(), text_of(right).lower()
    return (one > other) - (one < other)


def _ordered(fits: Callable[[int], bool]) -> _Comparison:
    def compare(left: Value, right: Value) -> bool:
        order = _order(left, right)
        return order is not None and fits(order)

    return compare


def _same(left: Value, right: Value) -> bool:
    return left is right if left is None or right is None else _order(left, right) == 0


_COMPARISONS: dict[str, _Comparison] = {
    "EQ": _same,
    "NE": lambda left, right: not _same(left, right),
    "GT": _ordered(lambda order: order > 0),
    "GE": _ordered(lambda order: order >= 0),
    "LT": _ordered(lambda order: order < 0),
    "LE": _ordered(lambda order: order <= 0),
    "In": lambda left, right: any(
        _same(left, each) for each in (right if isinstance(right, list) else [right])
    ),
}


def where_object(table: CommandTable, bound: BoundCommand, items: list[Value]) -> InvocationResult:
    """The form without a script block: -Property, a comparison, -Value."""
    del table
    name = str(bound.parameters.get("Property"))
    compare = next(
        (each for key, each in _COMPARISONS.items() if bound.parameters.get(key)),
        _COMPARISONS["EQ"],
    )
    value = bound.parameters.get("Value")
    if compare is _COMPARISONS["In"] and isinstance(value, list):
        wanted = {text_of(each).lower() for each in value}
        return InvocationResult(
            output=tuple(each for each in items if text_of(_of(each, name)).lower() in wanted)
        )
    return InvocationResult(output=tuple(each for each in items if compare(_of(each, name), value)))


def group_object(table: CommandTable, bound: BoundCommand, items: list[Value]) -> InvocationResult:
    """Groups in the order of their names, as PowerShell's; the values in a name have commas."""
    del table
    wanted = bound.parameters.get("Property")
    names = [text_of(each) for each in wanted] if isinstance(wanted, list) else []
    groups: dict[str, tuple[list[Value], list[Value]]] = {}
    for item in items:
        values = [_of(item, name) for name in names]
        key = ", ".join(map(text_of, values))
        groups.setdefault(key.lower(), (values, []))[1].append(item)
    bare = bool(bound.parameters.get("NoElement"))
    kind = "GroupInfoNoElement" if bare else "GroupInfo"
    types = (f"Microsoft.PowerShell.Commands.{kind}", "System.Object")
    output = []
    for _, (values, members) in sorted(groups.items()):
        properties: dict[str, Value] = {
            "Values": values,
            "Count": len(members),
            "Group": [] if bare else members,
            "Name": ", ".join(map(text_of, values)),
        }
        output.append(PSObject(types, types[0], properties))
    return InvocationResult(output=tuple(output))
