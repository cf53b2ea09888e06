"""What travels between the lab's PowerShell and a site: bound cmdlets, objects, error records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID


class SizedInt(int):
    """An integer whose .NET type matters on the wire; a plain int is an Int32."""

    type_name = "System.Int32"


class Byte(SizedInt):
    type_name = "System.Byte"


class U16(SizedInt):
    type_name = "System.UInt16"


class U32(SizedInt):
    type_name = "System.UInt32"


class I64(SizedInt):
    type_name = "System.Int64"


class U64(SizedInt):
    type_name = "System.UInt64"


class Version(str):
    """A System.Version, four or fewer numbers with points between."""

    __slots__ = ()


@dataclass(frozen=True)
class Secret:
    """A SecureString parameter: prints masked, is read with `reveal()` only where it is used."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True)
class EnumValue:
    """A .NET enum value: `type_name` without the System.Enum ancestors, its name and number."""

    type_name: str
    name: str
    number: int

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PSObject:
    """A .NET object as PowerShell shows it: its type names, most derived first, its ToString."""

    type_names: tuple[str, ...]
    to_string: str | None
    properties: Mapping[str, "Value"]

    def __str__(self) -> str:
        if self.to_string is not None:
            return self.to_string
        return self.type_names[0] if self.type_names else ""


Value: TypeAlias = (
    bool
    | int
    | float
    | str
    | bytes
    | datetime
    | timedelta
    | UUID
    | Secret
    | EnumValue
    | PSObject
    | list["Value"]
    | dict[str, "Value"]
    | None
)


@dataclass(frozen=True)
class Invocation:
    """One cmdlet with its parameters bound: full names, values of the declared types.

    Attributes:
        cmdlet: The cmdlet's own name, in its own spelling.
        parameters: Parameter name to value. A parameter that was not given is absent.
        parameter_set: The set that the binder resolved.
        pipeline_input: The pipeline object that this call processes, if there is one; when it was
            bound to a parameter it stands in `parameters` too.
        command_id: The command of Open Site Recovery that caused the pipeline, None when none did.
    """

    cmdlet: str
    parameters: Mapping[str, Value]
    parameter_set: str = "Default"
    pipeline_input: tuple[PSObject, ...] = ()
    command_id: str | None = None

    def __repr__(self) -> str:
        # Values may be secrets (certificates are byte arrays), so only the names are shown.
        names = ", ".join(sorted(self.parameters))
        return f"Invocation({self.cmdlet} {names}, command_id={self.command_id})"


@dataclass(frozen=True)
class ErrorRecord:
    """A PowerShell error record.

    Attributes:
        error_id: The short id, such as `InvalidState`.
        category: The ErrorCategory by name, such as `InvalidOperation`.
        message: The exception's message.
        exception_type: The exception's class name.
        target_name: What CategoryInfo names as the target; empty when it names nothing.
        target_type: The target's type name; empty when it names nothing.
        activity: The cmdlet's name.
        command_class: The class that stands behind the comma of the fully qualified id.
        recommended_action: ErrorDetails.RecommendedAction; empty when there is none.
        terminating: Whether the cmdlet threw it instead of writing it.
    """

    error_id: str
    category: str
    message: str
    exception_type: str
    target_name: str = ""
    target_type: str = ""
    activity: str = ""
    command_class: str = ""
    recommended_action: str = ""
    terminating: bool = False

    @property
    def fully_qualified_error_id(self) -> str:
        return f"{self.error_id},{self.command_class}" if self.command_class else self.error_id


@dataclass(frozen=True)
class ProgressRecord:
    activity: str
    status: str
    percent_complete: int = -1


@dataclass(frozen=True)
class InvocationResult:
    """What one invocation wrote to each stream, in order within the stream."""

    output: tuple[Value, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    progress: tuple[ProgressRecord, ...] = ()
