"""Parameter binding, as strict as PowerShell's: arguments of one command to its parameters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deploy.lab.invocation import PSObject, Value
from deploy.lab.powershell.command_facts import CommandFacts, ParameterFacts
from deploy.lab.powershell.conversion import (
    CannotConvertError,
    convert,
    fits_without_conversion,
    is_enumeration,
    text_of,
)
from deploy.lab.powershell.engine_errors import BindingError

Argument = tuple[str | None, Value]
"""A parameter's name as written, None for a positional argument, and the raw value."""

# Parameters of these types take a list as the one value it is.
_ANYTHING = frozenset({"Object", "PSObject"})


@dataclass
class Bindings:
    """What is bound so far, and which parameter sets that leaves possible."""

    command: CommandFacts
    values: dict[str, Value] = field(default_factory=dict)
    sets: set[str] = field(default_factory=set)

    def copy(self) -> "Bindings":
        return Bindings(self.command, dict(self.values), set(self.sets))

    def sets_with(self, parameter: str) -> set[str]:
        return {name for name in self.sets if parameter in self.command.sets[name]}

    def put(self, parameter: ParameterFacts, value: Value) -> None:
        self.values[parameter.name] = value
        self.sets = self.sets_with(parameter.name)

    def missing_in(self, set_name: str) -> list[str]:
        """Mandatory parameters of a set that have no value, in order of position and name."""
        missing = self.command.sets[set_name].mandatory - self.values.keys()
        return sorted(missing, key=lambda name: (self._position(name), name))

    def _position(self, parameter: str) -> int:
        position = self.command.parameters[parameter].position
        return 99 if position is None else position


@dataclass(frozen=True)
class BoundCommand:
    """A finished binding of one call."""

    command: CommandFacts
    parameters: Mapping[str, Value]
    parameter_set: str


def bind_arguments(command: CommandFacts, arguments: Iterable[Argument]) -> Bindings:
    """Binds what the caller wrote, before any pipeline input is looked at.

    Raises:
        BindingError: As PowerShell would refuse the command line.
    """
    bindings = Bindings(command, sets=set(command.sets))
    positional: list[Value] = []
    for name, value in arguments:
        if name is None:
            positional.append(value)
            continue
        parameter = _parameter_named(command, name)
        if parameter.name in bindings.values:
            raise BindingError("ParameterAlreadyBound", parameter=parameter.name)
        bindings.put(parameter, _accepted(command, parameter, value))
        if not bindings.sets:
            raise BindingError("AmbiguousParameterSet")
    for value in positional:
        _bind_position(bindings, value)
    return bindings


def finish_without_input(bindings: Bindings) -> BoundCommand:
    """Resolves the parameter set of a command at the start of a pipeline.

    Raises:
        BindingError: AmbiguousParameterSet or MissingMandatoryParameter.
    """
    return _finish(bindings)


def check_before_input(bindings: Bindings) -> None:
    """Refuses a command that no pipeline input could complete.

    Raises:
        BindingError: MissingMandatoryParameter.
    """
    command = bindings.command
    hopeless: list[str] = []
    for name in sorted(bindings.sets, key=lambda name: name != command.default_set):
        missing = [
            parameter
            for parameter in bindings.missing_in(name)
            if not command.parameters[parameter].takes_pipeline_input
        ]
        if not missing:
            return
        hopeless = hopeless or missing
    raise BindingError("MissingMandatoryParameter", parameter=" ".join(hopeless))


def bind_input(bindings: Bindings, item: Value) -> BoundCommand:
    """Binds one pipeline object: by value then by property name, first without conversion.

    Raises:
        BindingError: InputObjectNotBound when it fits no parameter, or as for any command.
    """
    trial = bindings.copy()
    for by_property in (False, True):
        if _bind_phase(trial, item, by_property=by_property, converting=False):
            return _finish(trial)
    for by_property in (False, True):
        if _bind_phase(trial, item, by_property=by_property, converting=True):
            return _finish(trial)
    raise BindingError("InputObjectNotBound")


def _parameter_named(command: CommandFacts, written: str) -> ParameterFacts:
    spelling = written.lstrip("-").rstrip(":").lower()
    exact = command.by_spelling.get(spelling)
    if exact is not None:
        return exact
    matches = {
        parameter.name: parameter
        for known, parameter in command.by_spelling.items()
        if spelling and known.startswith(spelling)
    }
    if len(matches) == 1:
        return next(iter(matches.values()))
    if not matches:
        raise BindingError("NamedParameterNotFound", parameter=written)
    listed = " ".join(f"-{name}" for name in sorted(matches))
    raise BindingError("AmbiguousParameter", parameter=written, matches=listed)


def _accepted(command: CommandFacts, parameter: ParameterFacts, value: Value) -> Value:
    """The converted and validated value."""
    if isinstance(value, list) and not parameter.is_array and parameter.type_name not in _ANYTHING:
        if parameter.type_name in {"SwitchParameter", "Boolean"} or is_enumeration(parameter):
            reason = f'Cannot convert value "System.Object[]" to type "{parameter.type_name}".'
            raise BindingError(
                "CannotConvertArgumentNoMessage", parameter=parameter.name, reason=reason
            )
        raise BindingError(
            "CannotConvertArgument", parameter=parameter.name, type=parameter.type_name
        )
    _refuse_empty(command, parameter, value)
    try:
        converted = convert(parameter, value)
    except CannotConvertError as error:
        raise BindingError(
            "CannotConvertArgumentNoMessage", parameter=parameter.name, reason=str(error)
        ) from None
    _validate_set(parameter, converted)
    return converted


def _refuse_empty(command: CommandFacts, parameter: ParameterFacts, value: Value) -> None:
    mandatory = any(parameter.name in facts.mandatory for facts in command.sets.values())
    if not mandatory:
        return
    kind = ""
    if value is None:
        kind = "Null"
    elif value == [] and parameter.is_array:
        kind = "EmptyArray"
    elif (
        parameter.element_type == "String"
        and value in ("", [""])
        and not parameter.allow_empty_string
    ):
        kind = "EmptyString"
    if kind:
        raise BindingError(
            f"ParameterArgumentValidationError{kind}NotAllowed", parameter=parameter.name
        )


def _validate_set(parameter: ParameterFacts, value: Value) -> None:
    if not parameter.values or is_enumeration(parameter):
        return
    allowed = {name.lower() for name in parameter.values}
    for item in value if isinstance(value, list) else [value]:
        if text_of(item).lower() not in allowed:
            reason = (
                f'The argument "{text_of(item)}" does not belong to the set'
                f' "{",".join(parameter.values)}" specified by the ValidateSet attribute.'
            )
            raise BindingError(
                "ParameterArgumentValidationError", parameter=parameter.name, reason=reason
            )


def _bind_position(bindings: Bindings, value: Value) -> None:
    """Binds a positional argument to the first place it fits, the default set before others."""
    command = bindings.command
    open_places = sorted(
        (
            parameter
            for parameter in command.parameters.values()
            if parameter.position is not None
            and parameter.name not in bindings.values
            and bindings.sets_with(parameter.name)
        ),
        key=lambda parameter: parameter.position or 0,
    )
    first = [each for each in open_places if each.position == open_places[0].position]
    in_default = [each for each in first if command.default_set in bindings.sets_with(each.name)]
    others = [each for each in first if each not in in_default]
    refusal = BindingError("PositionalParameterNotFound", value=text_of(value))
    for candidates, converting in (
        (in_default, False),
        (others, False),
        (in_default, True),
        (others, True),
    ):
        for parameter in candidates:
            if not converting and not fits_without_conversion(parameter, value):
                continue
            try:
                bindings.put(parameter, _accepted(command, parameter, value))
            except BindingError as error:
                refusal = error
            else:
                return
    raise refusal


def _bind_phase(trial: Bindings, item: Value, *, by_property: bool, converting: bool) -> bool:
    command = trial.command
    bound = False
    candidates = [
        parameter
        for parameter in command.parameters.values()
        if (parameter.by_property_name if by_property else parameter.by_value)
        and parameter.name not in trial.values
    ]
    candidates.sort(
        key=lambda parameter: command.default_set not in trial.sets_with(parameter.name)
    )
    for parameter in candidates:
        if trial.sets_with(parameter.name):
            found, value = _property(item, parameter) if by_property else (True, item)
            bound |= found and _try_put(trial, parameter, value, converting=converting)
    return bound


def _try_put(trial: Bindings, parameter: ParameterFacts, value: Value, *, converting: bool) -> bool:
    if not converting and not fits_without_conversion(parameter, value):
        return False
    try:
        trial.put(parameter, _accepted(trial.command, parameter, value))
    except BindingError:
        return False
    return True


def _property(item: Value, parameter: ParameterFacts) -> tuple[bool, Value]:
    if not isinstance(item, PSObject):
        return False, None
    spellings = {name.lower() for name in (parameter.name, *parameter.aliases)}
    for name, value in item.properties.items():
        if name.lower() in spellings:
            return True, value
    return False, None


def _finish(bindings: Bindings) -> BoundCommand:
    command = bindings.command
    chosen = _choose_set(bindings)
    missing = bindings.missing_in(chosen)
    if missing:
        raise BindingError("MissingMandatoryParameter", parameter=" ".join(missing))
    return BoundCommand(command, bindings.values, chosen)


def _choose_set(bindings: Bindings) -> str:
    default = bindings.command.default_set
    if default in bindings.sets:
        return str(default)
    complete = [name for name in sorted(bindings.sets) if not bindings.missing_in(name)]
    if len(complete) == 1:
        return complete[0]
    if len(bindings.sets) == 1:
        return next(iter(bindings.sets))
    raise BindingError("AmbiguousParameterSet")
