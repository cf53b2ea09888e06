"""A cmdlet and its parameters as data; there is no way to put script text into it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias
from uuid import UUID

from agent.powershell.secret_text import SecretText

Scalar: TypeAlias = str | bool | int | float | datetime | timedelta | UUID | bytes | SecretText
Value: TypeAlias = "Scalar | tuple[Value, ...] | Mapping[str, Value]"
"""What a parameter can be. Switches are bools, enumeration values their names, mappings become
hashtables."""

_CMDLET_NAME: Final = re.compile(r"[A-Za-z]+-[A-Za-z][A-Za-z0-9]*")
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Cmdlet:
    """One command of a pipeline.

    Args:
        name: Verb-Noun, for example "Get-VMReplication".
        parameters: Names without the dash.

    Raises:
        ValueError: The name or a parameter's name is none PowerShell can have, or a datetime
            has no zone.
    """

    name: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _CMDLET_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not the name of a cmdlet")
        for parameter, value in self.parameters.items():
            if not _PARAMETER_NAME.fullmatch(parameter):
                raise ValueError(f"{parameter!r} is not the name of a parameter of {self.name}")
            if isinstance(value, datetime) and value.tzinfo is None:
                raise ValueError(f"{self.name} -{parameter} needs a datetime with a zone")
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __repr__(self) -> str:
        # Values can be certificates with their keys: only names are shown.
        return " ".join([self.name, *(f"-{parameter}" for parameter in self.parameters)])


def cmdlet(name: str, /, **parameters: Value) -> Cmdlet:
    """Writes a cmdlet the way it is read: `cmdlet("Get-VM", ComputerName="h", Id=vm_id)`."""
    return Cmdlet(name, parameters)


def select(*properties: str) -> Cmdlet:
    """Select-Object -Property: keeps what would be lost deeper in the object."""
    return Cmdlet("Select-Object", {"Property": properties})
